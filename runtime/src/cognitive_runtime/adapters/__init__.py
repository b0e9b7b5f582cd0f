"""Adapters: one folder for each framework or server that the runtime touches."""
