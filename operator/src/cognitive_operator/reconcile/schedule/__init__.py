"""Reconciliation of schedules."""
