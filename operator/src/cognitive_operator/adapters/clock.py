"""The machine's own time."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Time as this machine keeps it (port ``Clock``)."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()

    def now(self) -> str:
        """Return the wall clock as RFC 3339 in UTC with microseconds."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
