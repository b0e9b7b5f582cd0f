"""Leader election: runs the engine only while this process is the leader.

Two engines at once do no harm: requests, claims and status writes are conditional, so no attempt is executed twice and
no status is overwritten. They only do the same work twice.
"""

import asyncio
import logging
from datetime import datetime
from typing import Final

from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.plan.leader import Candidate, is_leader
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.engine import Engine
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.watch_lag import WatchLag

logger = logging.getLogger(__name__)
POLL_EVERY_S: Final = 2.0


class LeaderElection:
    """Runs an engine while this process is the leader, and passes watch events to it.

    ``peering`` names the Kopf peering object in which operators record that they live. Without a name, or while the
    object does not exist, this process is the leader.
    """

    def __init__(self, deps: Deps, me: Candidate, peering: str | None, *, poll_every_s: float = POLL_EVERY_S) -> None:
        self._deps = deps
        self._me = me
        self._peering = peering
        self._poll_every_s = poll_every_s
        self._engine: Engine | None = None
        self._is_leading = False
        self._lag = WatchLag(deps.clock)

    async def run(self) -> None:
        """Run a new engine each time that this process becomes the leader, until cancelled."""
        while True:
            await self._wait_until(leading=True)
            logger.info("became leader", extra={"identity": self._me.identity})
            await self._lead()
            logger.info("is standby", extra={"identity": self._me.identity})

    async def _lead(self) -> None:
        """Run an engine until another operator is the leader; raises what the engine raises."""
        self._engine = engine = Engine(self._deps, self._lag)
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(engine.run(), name="engine")
                await self._wait_until(leading=False)
                running.cancel()
        finally:
            self._engine = None
            self._lag.reset()

    async def _wait_until(self, *, leading: bool) -> None:
        while True:
            await self._observe()
            self._deps.metrics.set_leader(is_leader=self._is_leading)
            if self._is_leading == leading:
                return
            await asyncio.sleep(self._poll_every_s)

    async def _observe(self) -> None:
        """Read the peering object; while it cannot be read, the leader stays the same."""
        try:
            records = await self._deps.kube.peerings.get(self._peering) if self._peering else None
        except CognitiveOperatorError:
            return
        now = datetime.fromisoformat(self._deps.clock.now())
        self._is_leading = records is None or is_leader(self._me, records, now)

    def upsert(self, plural: str, body: Body) -> None:
        """Pass an object that a watch reports to the engine; without an engine, record only that the watch lives."""
        self._lag.brought(body)
        if self._engine is not None:
            self._engine.upsert(plural, body)

    def delete(self, plural: str, body: Body) -> None:
        """Pass a deletion that a watch reports to the engine."""
        self._lag.lost(body["metadata"]["uid"])
        if self._engine is not None:
            self._engine.delete(plural, body)

    def watch_lag_s(self) -> float:
        """Return the watch lag in seconds."""
        return self._lag.seconds()
