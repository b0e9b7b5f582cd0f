"""Faults of calls between two parts of the system; shared by all proxies."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

When = Literal["before", "after"]
"""Moment of a fault: before or after the server has received the call."""
HTTP_WRITES = ("POST", "PUT", "PATCH", "DELETE")
NATS_WRITES = ("agent.", "$KV.", "$O.", "$JS.ACK.")
NATS_API_WRITES = (".CREATE.", ".UPDATE.", ".DELETE.", ".PURGE.")


@dataclass(frozen=True)
class Call:
    """One request, or one published message."""

    service: str
    """Name of the proxy that it goes through."""
    verb: str
    """HTTP method; PUB of a NATS message."""
    target: str
    """HTTP path with its query; NATS subject."""

    @property
    def is_write(self) -> bool:
        """True for a call that writes."""
        if self.verb != "PUB":
            return self.verb in HTTP_WRITES
        is_api = self.target.startswith("$JS.API.") and any(part in self.target for part in NATS_API_WRITES)
        return is_api or self.target.startswith(NATS_WRITES)

    @property
    def is_watch(self) -> bool:
        """True for a watch of the Kubernetes API."""
        return "watch=true" in self.target


@dataclass(frozen=True)
class Reply:
    """Answer of a proxy in place of the server."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Fault:
    """Disturbance of the calls that match: of ``times`` of them, after the first ``skip``."""

    matches: Callable[[Call], bool]
    times: int | None = None
    skip: int = 0
    delay_s: float = 0.0
    reply: Reply | None = None
    cut: When | None = None
    """Close the connection."""
    silent: When | None = None
    """Never answer."""
    twice: bool = False
    """Hand it over twice; the second answer counts."""
    strike: When | None = None
    """Moment of the call of ``act``; None: it is not called."""
    act: Callable[[], None] = lambda: None
    struck: list[Call] = field(default_factory=list)
    """The calls that it hit."""


class Switchboard:
    """Notes every call and says what happens to it. Tests and proxies use it from different threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[tuple[float, Call]] = []
        self._cleared_s = time.monotonic()

    def add(self, fault: Fault) -> Fault:
        """Begin to disturb."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """End one disturbance."""
        with self._lock:
            self._faults = [each for each in self._faults if each is not fault]

    def clear(self) -> None:
        """End all disturbances and forget the calls."""
        with self._lock:
            self._faults.clear()
            self._calls.clear()
            self._cleared_s = time.monotonic()

    def calls(self, service: str | None = None) -> Sequence[Call]:
        """Return the calls since the last ``clear``, in their order."""
        with self._lock:
            return [call for _, call in self._calls if service in (None, call.service)]

    def quiet_s(self, matches: Callable[[Call], bool]) -> float:
        """Return the seconds since the last such call, or since the last ``clear``."""
        with self._lock:
            last_s = max((at_s for at_s, call in self._calls if matches(call)), default=self._cleared_s)
            return time.monotonic() - last_s

    def writes(self) -> list[Call]:
        """Return the calls that change something."""
        return [call for call in self.calls() if call.is_write]

    def take(self, call: Call) -> Fault | None:
        """Note a call; return the first fault that is meant for it."""
        with self._lock:
            self._calls.append((time.monotonic(), call))
            for fault in self._faults:
                if fault.times == 0 or not fault.matches(call):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                fault.struck.append(call)
                return fault
        return None


def to(service: str, verb: str = "", target: str = "") -> Callable[[Call], bool]:
    """Return a matcher: the service's name, and parts of the verb and of the target."""
    return lambda call: call.service == service and verb in call.verb and target in call.target
