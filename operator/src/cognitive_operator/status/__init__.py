"""Builds what the operator writes into statuses; pure."""
