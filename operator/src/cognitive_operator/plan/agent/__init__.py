"""Decisions about an agent."""
