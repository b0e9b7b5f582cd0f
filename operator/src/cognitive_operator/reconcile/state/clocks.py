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

    def today(self) -> str:
        """Return the day in UTC, such as ``2026-11-21``, by the API server's clock, else by this process's."""
        now_s = self.server.server_time()
        return self.own.now()[:10] if now_s is None else datetime.fromtimestamp(now_s, UTC).date().isoformat()
