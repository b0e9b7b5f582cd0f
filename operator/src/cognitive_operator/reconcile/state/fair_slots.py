"""Slots for concurrent calls that namespaces and agents share fairly."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from cognitive_operator.api.names import ObjectName

K = TypeVar("K")


@dataclass(frozen=True)
class SlotLimits:
    """Maximum numbers of slots in use at once."""

    total: int
    per_namespace: int | None = None
    """None: limited by ``total`` alone."""
    per_agent: int | None = None
    """None: limited by the others alone."""


class FairSlots:
    """Slots that wait in a line of their own for each agent.

    A free slot goes to the namespaces in turn, and within a namespace to its agents in turn. A namespace or an agent
    at its limit is passed over, so that calls of one agent that hang delay no other agent.
    """

    def __init__(self, limits: SlotLimits) -> None:
        self._limits = limits
        self._used = 0
        self._by_namespace: Counter[str] = Counter()
        self._by_agent: Counter[ObjectName] = Counter()
        self._waiting: dict[str, dict[str, deque[asyncio.Future[None]]]] = {}
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

    async def acquire(self, agent: ObjectName) -> None:
        """Wait for a slot of an agent."""
        namespace, name = agent
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, {}).setdefault(name, deque()).append(granted)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if not granted.cancelled():  # it was granted just before
                self.release(agent)
            raise

    def release(self, agent: ObjectName) -> None:
        """Free a slot of an agent."""
        self._count(agent, -1)
        self._grant()

    def _grant(self) -> None:
        while self._used < self._limits.total and (agent := self._next()) is not None:
            granted = self._take_turn(agent)
            if not granted.cancelled():
                self._count(agent, 1)
                granted.set_result(None)

    def _next(self) -> ObjectName | None:
        """Return the next agent that waits below its limits; looks past at most the agents that are at theirs."""
        limits = self._limits
        for namespace, agents in self._waiting.items():
            if limits.per_namespace is not None and self._by_namespace[namespace] >= limits.per_namespace:
                continue
            for name in agents:
                if limits.per_agent is None or self._by_agent[namespace, name] < limits.per_agent:
                    return namespace, name
        return None

    def _take_turn(self, agent: ObjectName) -> asyncio.Future[None]:
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
        self._used += change
        _add(self._by_namespace, agent[0], change)
        _add(self._by_agent, agent, change)


class Slot:
    """A slot of one agent, which its holder may free for a while."""

    def __init__(self, slots: FairSlots, agent: ObjectName) -> None:
        self._slots = slots
        self._agent = agent
        self._is_held = False

    async def take(self) -> None:
        """Wait for the slot."""
        await self._slots.acquire(self._agent)
        self._is_held = True

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
            await self.take()


def _add(counter: Counter[K], key: K, change: int) -> None:
    """Change a count, and forget it at zero, so that deleted agents take no memory."""
    counter[key] += change
    if not counter[key]:
        del counter[key]
