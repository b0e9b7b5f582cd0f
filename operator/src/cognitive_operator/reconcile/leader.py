"""Runs the engine only while this process is the leader.

Two engines at once would do no harm: requests, claims and status writes are conditional, so no attempt is executed
twice and no status is overwritten. They would only double the work.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.plan.leader import Candidate, is_leader
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Peerings
from cognitive_operator.ports.telemetry import Metrics
from cognitive_operator.reconcile.engine import Engine
from cognitive_operator.reconcile.state.watch import WatchEvents

logger = logging.getLogger(__name__)


class Peering:
    """The Kopf peering object in which operators record that they are alive.

    Without a name, or while the object does not exist, this process is the leader.
    """

    def __init__(self, peerings: Peerings, clock: Clock, me: Candidate, name: str | None) -> None:
        self._peerings = peerings
        self._clock = clock
        self._name = name
        self.me = me

    async def is_leader(self) -> bool:
        """Return True if this process is the leader.

        Raises:
            CognitiveOperatorError: The peering cannot be read, so that the leader is not known.
        """
        records = await self._peerings.get(self._name) if self._name else None
        return records is None or is_leader(self.me, records, datetime.fromisoformat(self._clock.now()))


class LeaderElection:
    """Runs a new engine whenever this process becomes the leader, and connects watch events with it.

    Args:
        peering: Determines the leader.
        metrics: Receives the gauge of the leader.
        events: Watch events, which are passed to the engine.
        new_engine: Returns a new engine.
        check_every_s: Interval at which the peering is read.
    """

    def __init__(
        self,
        peering: Peering,
        metrics: Metrics,
        events: WatchEvents,
        new_engine: Callable[[], Engine],
        check_every_s: float,
    ) -> None:
        self._peering = peering
        self._metrics = metrics
        self._events = events
        self._new_engine = new_engine
        self._check_every_s = check_every_s
        self._is_leading = False

    async def run(self) -> None:
        """Wait for leadership, run an engine while this process is the leader, and repeat until cancelled."""
        identity = self._peering.me.identity
        while True:
            await self._wait_until(leading=True)
            logger.info("became leader", extra={"identity": identity})
            await self._lead()
            logger.info("is standby", extra={"identity": identity})

    async def _lead(self) -> None:
        """Run an engine until another operator is the leader; raises what the engine raises."""
        engine = self._new_engine()
        self._events.connect(engine.receivers)
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(engine.run(), name="engine")
                await self._wait_until(leading=False)
                running.cancel()
        finally:
            self._events.disconnect()

    async def _wait_until(self, *, leading: bool) -> None:
        while True:
            await self._check()
            self._metrics.set_leader(is_leader=self._is_leading)
            if self._is_leading == leading:
                return
            await asyncio.sleep(self._check_every_s)

    async def _check(self) -> None:
        """Read the peering; while that fails, the leader stays the same."""
        try:
            self._is_leading = await self._peering.is_leader()
        except CognitiveOperatorError:
            return
