"""Work queue of keys to reconcile: no key is handled twice at a time, and a failed key is retried with backoff."""

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final, Generic, TypeVar

from cognitive_operator.api.names import ObjectName
from cognitive_operator.errors import ApiUnavailableError, ConflictError, KindAbsentError, TransientError
from cognitive_operator.reconcile.state.fair_semaphore import FairSemaphore, Permit, PermitLimits

logger = logging.getLogger(__name__)
K = TypeVar("K")
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Default delays after repeated failures of a key; the last one repeats."""
CONFLICT_BACKOFF_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
"""Longest delays after repeated conflicts of a key; each is shortened by up to a half, at random."""


def conflict_backoff_s(failures: int) -> float:
    """Return a delay after which two writers of one object no longer meet; ``failures`` came before this one."""
    return CONFLICT_BACKOFF_S[min(failures, len(CONFLICT_BACKOFF_S) - 1)] * random.uniform(0.5, 1.0)


class EarliestCall:
    """Calls a function once, at the earliest of the times that were set.

    It stores that time itself: for a delay below half a millisecond, uvloop returns a handle that has none.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._at_s = math.inf
        self._handle: asyncio.Handle | None = None

    def set(self, delay_s: float) -> None:
        """Call the function after a delay, unless an earlier time is set."""
        loop = asyncio.get_running_loop()
        at_s = loop.time() + delay_s
        if at_s >= self._at_s:
            return
        self.cancel()
        self._at_s, self._handle = at_s, loop.call_later(delay_s, self._run)

    def cancel(self) -> None:
        """Forget the time that is set."""
        if self._handle is not None:
            self._handle.cancel()
        self._at_s, self._handle = math.inf, None

    def _run(self) -> None:
        self.cancel()
        self._call()


class WorkQueue(Generic[K]):
    """Calls ``handle(key)`` for every key that was added, with at most ``workers`` calls at once.

    Keys of one agent, as ``agent_of`` tells, that wait or hang delay no key of another agent beyond the limits.

    ``start`` sets ``handle``; call it before the first key is added.

    ``handle`` returns the seconds after which the key is handled again, or None. A transient error is retried with
    backoff; so is an unexpected one, which is logged with its traceback: no key is lost and the queue does not stop.
    ``observe`` is called with the seconds that each call took.
    """

    def __init__(
        self,
        name: str,
        workers: int | PermitLimits,
        *,
        agent_of: Callable[[K], ObjectName] = lambda _: ("", ""),
        observe: Callable[[float], None] = lambda _: None,
        backoff_s: Sequence[float] = BACKOFF_S,
    ) -> None:
        self._name = name
        self._handle: Callable[[K], Awaitable[float | None]]
        self._observe = observe
        self._delays_s = backoff_s
        self._agent_of = agent_of
        self._semaphore = FairSemaphore(PermitLimits(workers) if isinstance(workers, int) else workers)
        self._permits: dict[K, Permit] = {}
        """The workers of the keys that are being handled, each a permit of the semaphore."""
        self._awaiting_permit: set[K] = set()
        """Keys that wait for a worker; they have no asyncio task, so that thousands can be added at once."""
        self._dirty: set[K] = set()
        self._busy: dict[K, asyncio.Task[None]] = {}
        self._timers: dict[K, EarliestCall] = {}
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
        if key not in self._busy and key not in self._awaiting_permit:
            self._request_permit(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Handle a key after a delay, unless it is scheduled earlier."""
        if self._closed:
            return
        if key not in self._timers:
            self._timers[key] = EarliestCall(partial(self.add, key))
        self._timers[key].set(delay_s)

    def retry_unavailable(self) -> None:
        """Handle the keys now that wait for the API server, in place of after their backoffs."""
        for key in tuple(self._unavailable):
            self._failures.pop(key, None)
            self.add(key)
        self._unavailable.clear()

    def outside(self, key: K) -> AbstractAsyncContextManager[None]:
        """Free the worker of a key that is being handled, for a wait that has a limit of its own."""
        return self._permits[key].outside()

    async def close(self) -> None:
        """Cancel the running calls and forget the waiting keys."""
        self._closed = True
        for key in list(self._timers):
            self._cancel_timer(key)
        while tasks := [task for task in self._busy.values() if not task.done()]:  # one may end before it begins
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)  # then again: a library may swallow a cancellation

    def _request_permit(self, key: K) -> None:
        self._awaiting_permit.add(key)
        agent = self._agent_of(key)
        self._semaphore.request(agent, partial(self._begin, key, agent))

    def _begin(self, key: K, agent: ObjectName) -> bool:
        self._awaiting_permit.discard(key)
        if not self._closed:
            self._permits[key] = Permit(self._semaphore, agent, is_acquired=True)
            self._busy[key] = asyncio.create_task(self._process(key), name=f"{self._name}:{key}")
        return not self._closed

    async def _process(self, key: K) -> None:
        try:
            self._dirty.discard(key)
            delay_s = await self._attempt(key)
        finally:
            del self._busy[key]
            self._permits.pop(key).release()
        if key in self._dirty and not self._closed:
            self._request_permit(key)
        elif delay_s is not None:
            self._reschedule(key, delay_s)

    async def _attempt(self, key: K) -> float | None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            return await self._try(key)
        finally:
            took_s = loop.time() - began_s
            self._observe(took_s)
            if logger.isEnabledFor(logging.DEBUG):  # building its fields takes time in the hot path
                logger.debug("reconciled", extra={"queue": self._name, "key": str(key), "seconds": round(took_s, 4)})

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
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        if isinstance(error, ConflictError):
            return conflict_backoff_s(failures)
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
            self.add(key)
        else:
            self.add_after(key, delay_s)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
