"""Benchmarks of the running system against its performance budgets: ``make bench``."""
