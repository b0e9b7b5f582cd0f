"""Fair semaphore: limits the operator's concurrent calls, and shares its permits between namespaces and their agents.

The tasks of agents that use one Ray cluster take turns by ``scheduling/fair_share.py``.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cognitive_operator.api.names import ObjectName


@dataclass(frozen=True)
class PermitLimits:
    """Maximum numbers of permits in use at once."""

    total: int
    per_namespace: int | None = None
    """None: limited by ``total`` alone."""
    per_agent: int | None = None
    """None: limited by the others alone."""
    per_turn: int | None = None
    """Maximum number of permits that are given in one turn of the event loop, so that calls that wait for nothing do
    not make its turns long; None: unlimited."""


class FairSemaphore:
    """Semaphore of concurrent calls, with a queue of waiting calls for each agent.

    A free permit goes to the namespaces in turn, and within a namespace to its agents in turn. A namespace or an agent
    at its limit is passed over, so that calls of one agent that hang delay no other agent.
    """

    def __init__(self, limits: PermitLimits) -> None:
        self._limits = limits
        self._used: Counter[tuple[str, ...]] = Counter()
        """Permits in use by agent (namespace, name), by namespace (namespace,) and in total ()."""
        self._waiting: dict[str, dict[str, deque[Callable[[], bool]]]] = {}
        """Waiting calls by namespace and agent. The order of the dictionaries is the order of the turns."""
        self._given = 0
        """Permits given in this turn of the event loop, if ``per_turn`` limits them."""

    @asynccontextmanager
    async def permit(self, agent: ObjectName) -> AsyncIterator["Permit"]:
        """Wait for a permit of an agent, and release it at the end."""
        permit = Permit(self, agent)
        await permit.acquire()
        try:
            yield permit
        finally:
            permit.release()

    def request(self, agent: ObjectName, grant: Callable[[], bool], *, is_first: bool = False) -> None:
        """Call ``grant``, which returns False if it needs no permit any more, when an agent has a permit.

        With ``is_first`` it is called before the agent's other calls.
        """
        calls = self._waiting.setdefault(agent[0], {}).setdefault(agent[1], deque())
        calls.insert(0 if is_first else len(calls), grant)
        self._grant()

    def release(self, agent: ObjectName) -> None:
        """Release a permit of an agent."""
        self._count(agent, -1)
        self._grant()

    def _grant(self) -> None:
        while self._may_give() and (agent := self._next()) is not None:
            grant = self._take_turn(agent)
            self._count(agent, 1)
            if grant():
                self._count_given()
            else:
                self._count(agent, -1)

    def _may_give(self) -> bool:
        per_turn = self._limits.per_turn
        return self._used[()] < self._limits.total and (per_turn is None or self._given < per_turn)

    def _count_given(self) -> None:
        if self._limits.per_turn is None:
            return
        if self._given == 0:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._given += 1

    def _begin_turn(self) -> None:
        self._given = 0
        self._grant()

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


class Permit:
    """A permit of one agent, which its holder may release for a while."""

    def __init__(self, semaphore: FairSemaphore, agent: ObjectName, *, is_acquired: bool = False) -> None:
        self._semaphore = semaphore
        self._agent = agent
        self._is_acquired = is_acquired

    async def acquire(self, *, is_first: bool = False) -> None:
        """Wait for the permit. ``is_first``: before other calls of the agent."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def grant() -> bool:
            if not granted.cancelled():
                granted.set_result(None)
                self._is_acquired = True
            return self._is_acquired

        self._semaphore.request(self._agent, grant, is_first=is_first)
        try:
            await granted
        except asyncio.CancelledError:
            self.release()  # it may have been granted just before
            raise

    def release(self) -> None:
        """Release the permit, if it is acquired."""
        if self._is_acquired:
            self._is_acquired = False
            self._semaphore.release(self._agent)

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[None]:
        """Release the permit for a slow wait, and acquire it again afterwards."""
        self.release()
        try:
            yield
        finally:
            await self.acquire(is_first=True)  # else calls that have begun would pile up behind those that have not
