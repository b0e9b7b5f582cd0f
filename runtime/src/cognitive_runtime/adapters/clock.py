"""Clocks of the operating system."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Implements ``IClock`` with the operating system's clocks."""

    def monotonic(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    def now(self) -> str:
        """Return the wall clock time as RFC 3339 in UTC with microseconds."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
