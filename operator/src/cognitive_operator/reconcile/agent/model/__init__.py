"""Readiness of an agent's model."""
