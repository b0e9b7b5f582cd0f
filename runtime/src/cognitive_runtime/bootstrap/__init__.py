"""Composition root: builds the application from its adapters."""
