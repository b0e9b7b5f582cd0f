"""Ray Serve: deployment of a cognitive core and the client of its handle. Imports ray[serve]."""
