"""Renewal of a worker's lease, and detection of its loss."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.worker.ports import ILeases, WorkerState

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseTiming:
    """Intervals of a lease, in seconds."""

    renew_interval_s: float = 5.0
    lost_after_s: float = 10.0
    """Shorter than the operator's 15 s: the attempt has stopped before the operator starts another one."""
    retry_s: float = 0.5
    """Pause after a failed renewal."""
    check_interval_s: float = 0.25
    """Interval at which the age of the last renewal is checked."""


@dataclass
class LeaseRenewer:
    """Renews a lease and reports its loss.

    The lease is lost when its last renewal is older than ``lost_after_s`` on the monotonic clock, until the next
    renewal. The age counts from before the renewal was sent: the operator cannot have seen it earlier.
    """

    leases: ILeases
    describe: Callable[[], WorkerState]
    on_lost: Callable[[], None]
    monotonic: Callable[[], float]
    timing: LeaseTiming = field(default_factory=LeaseTiming)
    _renewed_at: float = float("-inf")
    _held: bool = False
    _renew_requested: asyncio.Event = field(default_factory=asyncio.Event)
    _first_renewal: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_held(self) -> bool:
        """True while the last renewal is recent enough for the operator to count on this worker."""
        return self._held and self.monotonic() - self._renewed_at < self.timing.lost_after_s

    async def wait_held(self) -> None:
        """Wait for the first renewal."""
        await self._first_renewal.wait()

    def renew_now(self) -> None:
        """Renew without waiting for the interval, because the state in the lease has changed."""
        self._renew_requested.set()

    async def run(self) -> None:
        """Renew the lease until cancelled."""
        monitor = asyncio.create_task(self._monitor(), name="lease-monitor")
        try:
            while True:
                renewed = await self._renew()
                await self._pause(self.timing.renew_interval_s if renewed else self.timing.retry_s)
        finally:
            await cancel(monitor)

    async def _renew(self) -> bool:
        self._renew_requested.clear()
        began = self.monotonic()
        try:
            await self.leases.renew(self.describe())
        except Exception as error:
            _LOGGER.debug("lease not renewed", extra={"error": repr(error)})
            return False
        self._check()  # the event loop may have been blocked: a loss is reported even if the renewal comes first
        self._renewed_at, self._held = began, True
        self._first_renewal.set()
        return True

    async def _monitor(self) -> None:
        while True:
            self._check()
            await asyncio.sleep(self.timing.check_interval_s)

    def _check(self) -> None:
        if self._held and not self.is_held:
            self._held = False
            _LOGGER.error("lease lost", extra={"event": "LeaseLost", "seconds": self.timing.lost_after_s})
            self.on_lost()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._renew_requested.wait()
        except TimeoutError:
            return
