"""Agents and their cognitive core."""
