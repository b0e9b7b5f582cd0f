"""Test runs side by side."""
