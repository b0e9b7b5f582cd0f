"""Checks that a task must pass before it may be queued."""
