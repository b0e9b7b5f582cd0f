"""Reconciliation of agents."""
