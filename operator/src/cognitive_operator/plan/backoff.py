"""Exponential backoff."""

from typing import Final

_MAX_DOUBLINGS: Final = 64
"""More than any pause here needs to reach its maximum; 2.0**1024 is no number."""


def exponential_s(first_s: float, doublings: int, max_s: float) -> float:
    """Return the pause after so many further failures.

    Args:
        first_s: First pause in seconds.
        doublings: How often the pause has doubled; below 0 counts as 0.
        max_s: Maximum in seconds.
    """
    return min(max_s, first_s * 2.0 ** min(max(0, doublings), _MAX_DOUBLINGS))
