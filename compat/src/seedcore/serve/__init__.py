"""Cognitive core on Ray Serve."""
