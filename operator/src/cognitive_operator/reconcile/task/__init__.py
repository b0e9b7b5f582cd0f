"""Reconciliation of tasks."""
