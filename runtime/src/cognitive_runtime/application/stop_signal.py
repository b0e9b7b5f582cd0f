"""Signal that stops a running attempt."""

import asyncio

from cognitive_runtime.domain import ReasoningError


class StopSignal:
    """Carries the reason to stop to the attempt. Only the first reason counts.

    Belongs to one event loop, like the attempt that it stops.
    """

    def __init__(self) -> None:
        self._stopped = asyncio.Event()
        self._reason: ReasoningError | None = None

    @property
    def reason(self) -> ReasoningError | None:
        """Reason to stop, or None if no stop was requested."""
        return self._reason

    def stop(self, reason: ReasoningError) -> None:
        """Request a stop, for example with ``Cancelled`` or ``LeaseLost``."""
        if self._reason is None:
            self._reason = reason
            self._stopped.set()

    async def wait(self) -> None:
        """Wait until a stop is requested."""
        await self._stopped.wait()
