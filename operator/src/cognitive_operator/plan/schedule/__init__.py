"""Decisions about a schedule."""
