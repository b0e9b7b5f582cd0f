"""Keeps a worker's lease, and notices when it is lost."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.worker.ports import ILeases, WorkerState

_LOGGER: Final = logging.getLogger(__name__)
RENEW_INTERVAL_S: Final = 5.0
LOST_AFTER_S: Final = 10.0
"""Before the operator's own 15 s: when it starts another attempt, this one has stopped."""
_RETRY_S: Final = 0.5
_LOOK_S: Final = 0.25


@dataclass
class LeaseRenewer:
    """Renews every 5 s; by the monotonic clock, a lease not renewed for 10 s is lost until the next renewal.

    Time counts from before a renewal was sent: the operator cannot have seen it earlier.
    """

    leases: ILeases
    describe: Callable[[], WorkerState]
    on_lost: Callable[[], None]
    monotonic: Callable[[], float]
    _renewed_at: float = float("-inf")
    _held: bool = False
    _renew_requested: asyncio.Event = field(default_factory=asyncio.Event)
    _first: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_held(self) -> bool:
        """Whether the operator can still count on this worker."""
        return self._held and self.monotonic() - self._renewed_at < LOST_AFTER_S

    async def wait_held(self) -> None:
        """Return when the lease was shown for the first time."""
        await self._first.wait()

    def renew_now(self) -> None:
        """Renew now: what the lease says has changed."""
        self._renew_requested.set()

    async def run(self) -> None:
        """Keep the lease until cancelled."""
        watch = asyncio.create_task(self._watch(), name="lease-watch")
        try:
            while True:
                renewed = await self._renew()
                await self._pause(RENEW_INTERVAL_S if renewed else _RETRY_S)
        finally:
            await cancel(watch)

    async def _renew(self) -> bool:
        self._renew_requested.clear()
        began = self.monotonic()
        try:
            await self.leases.renew(self.describe())
        except Exception as error:
            _LOGGER.debug("lease not renewed", extra={"error": repr(error)})
            return False
        self._check()  # the loop may have been held up: a lease that was lost stays a loss, also when it comes back
        self._renewed_at, self._held = began, True
        self._first.set()
        return True

    async def _watch(self) -> None:
        while True:
            self._check()
            await asyncio.sleep(_LOOK_S)

    def _check(self) -> None:
        if self._held and not self.is_held:
            self._held = False
            _LOGGER.error("lost the lease", extra={"event": "LeaseLost", "seconds": LOST_AFTER_S})
            self.on_lost()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._renew_requested.wait()
        except TimeoutError:
            return
