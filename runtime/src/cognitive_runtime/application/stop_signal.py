"""How an attempt that runs is told to stop."""

import asyncio

from cognitive_runtime.domain import ReasoningError


class StopSignal:
    """Carries the reason to stop from whoever decides it to the attempt; the first reason counts.

    Belongs to one event loop, like the attempt that it stops.
    """

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._reason: ReasoningError | None = None

    @property
    def reason(self) -> ReasoningError | None:
        """Why to stop, None as long as nobody asked for it."""
        return self._reason

    def stop(self, reason: ReasoningError) -> None:
        """Ask to stop: ``Cancelled`` by the operator, ``LeaseLost`` by the worker itself."""
        if self._reason is None:
            self._reason = reason
            self._stopped.set()

    async def wait(self) -> None:
        """Return as soon as somebody asked to stop."""
        await self._stopped.wait()
