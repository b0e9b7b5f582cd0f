"""Reconciliation of signatures."""
