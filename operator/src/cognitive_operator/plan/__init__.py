"""Decides, from what is desired and what was observed, what to do next; pure."""
