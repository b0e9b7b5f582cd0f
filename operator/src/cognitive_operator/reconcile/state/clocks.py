"""The clocks that decisions depend on."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import ServerClock


@dataclass(frozen=True)
class Clocks:
    """This process's clocks and the API server's."""

    own: Clock
    server: ServerClock

    def monotonic(self) -> float:
        """Return seconds for durations, which never jump."""
        return self.own.monotonic()

    def now(self) -> str:
        """Return this process's wall clock as RFC 3339."""
        return self.own.now()

    def server_time(self) -> float | None:
        """Return the API server's clock in seconds since 1970, None before its first answer."""
        return self.server.server_time()

    def today(self) -> str:
        """Return the day in UTC, as ``2026-11-21``, by the API server's clock, or by this process's before that."""
        now_s = self.server_time()
        return self.now()[:10] if now_s is None else datetime.fromtimestamp(now_s, UTC).date().isoformat()
