"""Reconcilers: they observe through ports, plan by pure functions and act through ports."""
