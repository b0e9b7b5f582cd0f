"""Observes, plans and acts, through ports alone."""
