"""Work queue of keys to reconcile: no key is handled twice at a time, and a failed key is retried with backoff.

The workers are shared fairly by namespaces and agents.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from cognitive_operator.api.names import ObjectName
from cognitive_operator.errors import ApiUnavailableError, ConflictError, KindAbsentError, TransientError
from cognitive_operator.reconcile.state.fair_slots import FairSlots, Slot, SlotLimits

logger = logging.getLogger(__name__)
K = TypeVar("K")
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Default delays after repeated failures of a key; the last one repeats."""


def _ignore(_: float) -> None:
    """Ignore the duration of a call."""


@dataclass(frozen=True)
class Sharing(Generic[K]):
    """Limits by which namespaces and agents share the workers of a queue."""

    agent_of: Callable[[K], ObjectName]
    """Returns the namespace and the name of the agent that a key belongs to."""
    per_namespace: int
    per_agent: int


class WorkQueue(Generic[K]):
    """Calls ``handle(key)`` for every key that was added, with at most ``workers`` calls at once.

    With ``sharing``, keys of one agent that wait or hang delay no key of another agent.

    ``start`` sets ``handle``; call it before the first key is added.

    ``handle`` returns the seconds after which the key is handled again, or None. A transient error is retried with
    backoff; so is an unexpected one, which is logged with its traceback: no key is lost and the queue does not stop.
    ``observe`` is called with the seconds that each call took.
    """

    def __init__(
        self,
        name: str,
        workers: int,
        *,
        sharing: Sharing[K] | None = None,
        observe: Callable[[float], None] = _ignore,
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        self._name = name
        self._handle: Callable[[K], Awaitable[float | None]]
        self._observe = observe
        self._delays_s = backoff_s
        self._sharing = sharing
        per_namespace = sharing.per_namespace if sharing else None
        self._slots = FairSlots(SlotLimits(workers, per_namespace, sharing.per_agent if sharing else None))
        self._held: dict[K, Slot] = {}
        """The workers of the keys that are being handled."""
        self._dirty: set[K] = set()
        self._busy: dict[K, asyncio.Task[None]] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._unavailable: set[K] = set()
        """Keys whose last call failed because the API server did not answer."""
        self._closed = False

    def start(self, handle: Callable[[K], Awaitable[float | None]]) -> None:
        """Set the function that handles a key."""
        self._handle = handle

    def add(self, key: K) -> None:
        """Handle a key now, or once more if it is being handled."""
        if self._closed:
            return
        self._cancel_timer(key)
        self._dirty.add(key)
        if key not in self._busy:
            self._busy[key] = asyncio.create_task(self._process(key), name=f"{self._name}:{key}")

    def add_after(self, key: K, delay_s: float) -> None:
        """Handle a key after a delay, unless it is scheduled earlier."""
        timer = self._timers.get(key)
        loop = asyncio.get_running_loop()
        if self._closed or (timer is not None and timer.when() <= loop.time() + delay_s):
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(delay_s, self.add, key)

    def retry_unavailable(self) -> None:
        """Handle the keys now that wait for the API server, in place of after their backoffs."""
        for key in tuple(self._unavailable):
            self._failures.pop(key, None)
            self.add(key)
        self._unavailable.clear()

    @asynccontextmanager
    async def outside(self, key: K) -> AsyncIterator[None]:
        """Free the worker of a key that is being handled, for a wait that has a limit of its own."""
        async with self._held[key].outside():
            yield

    async def close(self) -> None:
        """Cancel the running calls and forget the waiting keys."""
        self._closed = True
        for key in list(self._timers):
            self._cancel_timer(key)
        while tasks := [task for task in self._busy.values() if not task.done()]:  # one may end before it begins
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)  # then again: a library may swallow a cancellation

    async def _process(self, key: K) -> None:
        try:
            while key in self._dirty and not self._closed:
                async with self._slots.hold(self._agent_of(key)) as slot:
                    self._held[key] = slot
                    self._dirty.discard(key)
                    delay_s = await self._attempt(key)
                if delay_s is not None and key not in self._dirty:
                    self._reschedule(key, delay_s)
        finally:
            self._busy.pop(key, None)
            self._held.pop(key, None)

    def _agent_of(self, key: K) -> ObjectName:
        return self._sharing.agent_of(key) if self._sharing is not None else ("", "")

    async def _attempt(self, key: K) -> float | None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            return await self._try(key)
        finally:
            self._observe(loop.time() - began_s)

    async def _try(self, key: K) -> float | None:
        self._unavailable.discard(key)
        try:
            delay_s = await self._handle(key)
        except TransientError as error:
            return self._backoff_s(key, error)
        except Exception as error:
            logger.exception("reconcile failed", extra={"queue": self._name, "key": str(key)})
            return self._backoff_s(key, error)
        self._failures.pop(key, None)
        return delay_s

    def _backoff_s(self, key: K, error: Exception) -> float:
        if isinstance(error, ConflictError):
            return 0.0
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s = self._delays_s[min(failures, len(self._delays_s) - 1)]
        if failures == 0:
            logger.info("will try again", extra={"queue": self._name, "key": str(key), "cause": str(error)})
        asked_s = error.retry_after_s if isinstance(error, ApiUnavailableError) else None
        if isinstance(error, ApiUnavailableError) and not isinstance(error, KindAbsentError) and asked_s is None:
            self._unavailable.add(key)
        return max(delay_s, asked_s or 0.0)

    def _reschedule(self, key: K, delay_s: float) -> None:
        self._cancel_timer(key)
        if delay_s <= 0:
            self._dirty.add(key)
        else:
            self.add_after(key, delay_s)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
