"""Work queue of keys to reconcile: no key is handled twice at a time, and a failed key is retried with backoff."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from cognitive_operator.api.names import ObjectName
from cognitive_operator.errors import ApiUnavailableError, ConflictError, KindAbsentError, TransientError

logger = logging.getLogger(__name__)
K = TypeVar("K")
BACKOFF_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Default delays after repeated failures of a key; the last one repeats."""


@dataclass(frozen=True)
class SlotLimits:
    """Maximum numbers of slots in use at once."""

    total: int
    per_namespace: int | None = None
    """None: limited by ``total`` alone."""
    per_agent: int | None = None
    """None: limited by the others alone."""


class FairSlots:
    """Slots for concurrent calls, with a line of waiting calls for each agent.

    A free slot goes to the namespaces in turn, and within a namespace to its agents in turn. A namespace or an agent
    at its limit is passed over, so that calls of one agent that hang delay no other agent.
    """

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._used: Counter[tuple[str, ...]] = Counter()
        """Slots in use by agent (namespace, name), by namespace (namespace,) and in total ()."""
        self._waiting: dict[str, dict[str, deque[Callable[[], bool]]]] = {}
        """By namespace and agent. The order of the dictionaries is the order of the turns."""

    @asynccontextmanager
    async def hold(self, agent: ObjectName) -> AsyncIterator["Slot"]:
        """Wait for a slot of an agent, and free it at the end."""
        slot = Slot(self, agent)
        await slot.take()
        try:
            yield slot
        finally:
            slot.free()

    def request(self, agent: ObjectName, grant: Callable[[], bool], *, is_first: bool = False) -> None:
        """Call ``grant``, which returns False if it needs no slot any more, when an agent has a slot.

        With ``is_first`` it is called before the agent's other calls.
        """
        calls = self._waiting.setdefault(agent[0], {}).setdefault(agent[1], deque())
        calls.insert(0 if is_first else len(calls), grant)
        self._grant()

    def release(self, agent: ObjectName) -> None:
        """Free a slot of an agent."""
        self._count(agent, -1)
        self._grant()

    def _grant(self) -> None:
        while self._used[()] < self._limits.total and (agent := self._next()) is not None:
            grant = self._take_turn(agent)
            self._count(agent, 1)
            if not grant():
                self._count(agent, -1)

    def _next(self) -> ObjectName | None:
        """Return the next agent that waits below its limits; looks past at most the agents that are at theirs."""
        for namespace, agents in self._waiting.items():
            if self._is_below((namespace,), self._limits.per_namespace):
                for name in agents:
                    if self._is_below((namespace, name), self._limits.per_agent):
                        return namespace, name
        return None

    def _is_below(self, key: tuple[str, ...], limit: int | None) -> bool:
        return limit is None or self._used[key] < limit

    def _take_turn(self, agent: ObjectName) -> Callable[[], bool]:
        """Remove the first waiting call of an agent; its agent and namespace have their next turns last."""
        namespace, name = agent
        agents = self._waiting.pop(namespace)
        calls = agents.pop(name)
        first = calls.popleft()
        if calls:
            agents[name] = calls
        if agents:
            self._waiting[namespace] = agents
        return first

    def _count(self, agent: ObjectName, change: int) -> None:
        for key in ((), agent[:1], agent):
            self._used[key] += change
            if not self._used[key]:
                del self._used[key]  # deleted agents take no memory


class Slot:
    """A slot of one agent, which its holder may free for a while."""

    def __init__(self, slots: FairSlots, agent: ObjectName, *, is_held: bool = False) -> None:
        self._slots = slots
        self._agent = agent
        self._is_held = is_held

    async def take(self, *, is_first: bool = False) -> None:
        """Wait for the slot. ``is_first``: before other calls of the agent."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def grant() -> bool:
            if not granted.cancelled():
                granted.set_result(None)
                self._is_held = True
            return self._is_held

        self._slots.request(self._agent, grant, is_first=is_first)
        try:
            await granted
        except asyncio.CancelledError:
            self.free()  # it may have been granted just before
            raise

    def free(self) -> None:
        """Free the slot, if it is held."""
        if self._is_held:
            self._is_held = False
            self._slots.release(self._agent)

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[None]:
        """Free the slot for a slow wait, and take it again afterwards."""
        self.free()
        try:
            yield
        finally:
            await self.take(is_first=True)  # else calls that have begun would pile up behind those that have not


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
        workers: int | SlotLimits,
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
        self._slots = FairSlots(SlotLimits(workers) if isinstance(workers, int) else workers)
        self._held: dict[K, Slot] = {}
        """The workers of the keys that are being handled."""
        self._lined: set[K] = set()
        """Keys that wait for a worker; they have no asyncio task, so that thousands can be added at once."""
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
        if key not in self._busy and key not in self._lined:
            self._line_up(key)

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

    def outside(self, key: K) -> AbstractAsyncContextManager[None]:
        """Free the worker of a key that is being handled, for a wait that has a limit of its own."""
        return self._held[key].outside()

    async def close(self) -> None:
        """Cancel the running calls and forget the waiting keys."""
        self._closed = True
        for key in list(self._timers):
            self._cancel_timer(key)
        while tasks := [task for task in self._busy.values() if not task.done()]:  # one may end before it begins
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=1.0)  # then again: a library may swallow a cancellation

    def _line_up(self, key: K) -> None:
        self._lined.add(key)
        agent = self._agent_of(key)
        self._slots.request(agent, partial(self._begin, key, agent))

    def _begin(self, key: K, agent: ObjectName) -> bool:
        self._lined.discard(key)
        if not self._closed:
            self._held[key] = Slot(self._slots, agent, is_held=True)
            self._busy[key] = asyncio.create_task(self._process(key), name=f"{self._name}:{key}")
        return not self._closed

    async def _process(self, key: K) -> None:
        try:
            self._dirty.discard(key)
            delay_s = await self._attempt(key)
        finally:
            del self._busy[key]
            self._held.pop(key).free()
        if key in self._dirty and not self._closed:
            self._line_up(key)
        elif delay_s is not None:
            self._reschedule(key, delay_s)

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
            self.add(key)
        else:
            self.add_after(key, delay_s)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
