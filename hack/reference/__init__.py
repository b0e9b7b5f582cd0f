"""Writes the API reference from the CRDs."""
