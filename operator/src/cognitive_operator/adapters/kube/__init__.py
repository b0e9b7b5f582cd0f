"""Client of the Kubernetes API and the ports over it."""
