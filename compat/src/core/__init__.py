"""Import paths of the Ray jobs."""
