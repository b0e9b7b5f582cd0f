"""Process in which the reasoning about a request runs."""

from typing import Literal

Placement = Literal["Embedded", "Serve"]
"""Embedded: in the worker that has claimed the attempt. Serve: in a replica of the agent's application on Ray Serve."""
