"""Interfaces of the systems outside the operator. Every call has a deadline of its own and raises only ``errors``."""
