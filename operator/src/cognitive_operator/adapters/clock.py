"""Clocks of this machine."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Monotonic and wall clock (port ``Clock``)."""

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()

    def now(self) -> str:
        """Return the wall clock as RFC 3339 in UTC with microseconds."""
        return f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
