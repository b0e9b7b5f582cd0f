"""Decisions about an attempt of a task."""
