"""Measures the running system beside its budgets: ``make bench``."""
