"""Rate limits and a cache within one process, for a core that is called from any thread and event loop."""

import asyncio
import threading

from cognitive_runtime.application.limits import Limits
from cognitive_runtime.domain import (
    ExecutionRequest,
    IAllowance,
    IClock,
    ILedger,
    Ledger,
    Permit,
    Question,
    Reply,
    ResultCache,
)


class LocalLedger:
    """Implements ``ILedger`` in the memory of this process, for all of its threads."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._ledger = Ledger("local", ResultCache())
        self._lock = threading.Lock()

    async def ask(self, question: Question) -> Reply:
        """Return the answer that is there, else leave for a call, booked, or how long to wait for it."""
        with self._lock:
            return self._ledger.ask(question, self._clock.monotonic())

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Count what a call has cost instead of its estimate."""
        with self._lock:
            self._ledger.correct(permit, used_tokens)

    def remember(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep an answer."""
        with self._lock:
            self._ledger.remember(key, value, ttl_s, self._clock.monotonic())


class LocalLimits:
    """Implements ``ILimits`` by one ledger for the process; calls wait in a line for each event loop."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._ledger = LocalLedger(clock)
        self._lines: dict[asyncio.AbstractEventLoop, Limits] = {}
        self._lock = threading.Lock()

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return what one attempt is allowed. Call it where the attempt's event loop runs."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._lines = {each: line for each, line in self._lines.items() if not each.is_closed()}
            line = self._lines.setdefault(loop, Limits(self._open_ledger, self._clock))
        return line.open(request, deadline_s)

    async def _open_ledger(self) -> ILedger:
        return self._ledger
