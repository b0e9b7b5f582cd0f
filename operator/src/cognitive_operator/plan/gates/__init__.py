"""Gates: reasons that keep a task out of its agent's queue."""
