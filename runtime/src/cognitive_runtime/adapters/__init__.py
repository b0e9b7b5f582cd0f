"""Adapters: one package for each framework or server."""
