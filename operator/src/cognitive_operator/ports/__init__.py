"""Interfaces of the outside world. Every call has a deadline of its own and raises only ``errors``."""
