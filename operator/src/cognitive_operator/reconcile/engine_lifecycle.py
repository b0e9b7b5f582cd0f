"""Runs the engine only while this process is the leader. The election itself is in ``leader_election.py``.

An engine ends with the leadership, and a new one begins with a complete list. A process that the API server does not
answer is not the leader: it deletes, stops and publishes nothing, and leaves responses on the broker, which delivers
them again. Two engines at once are bounded in their harm: requests, claims and status writes are conditional, and
nothing is deleted because its owner is absent without a read that proves the absence.
"""

import asyncio
import logging
from collections.abc import Callable

from cognitive_operator.ports.telemetry import Metrics
from cognitive_operator.reconcile.engine import Engine
from cognitive_operator.reconcile.leader_election import LeaderElection
from cognitive_operator.reconcile.state.watch import WatchEvents

logger = logging.getLogger(__name__)


class EngineLifecycle:
    """Runs a new engine whenever this process becomes the leader, and connects watch events with it.

    Args:
        election: Decides if this process is the leader.
        identity: This process, for the log.
        metrics: Receives the gauge of the leader.
        events: Watch events, which are passed to the engine.
        new_engine: Returns a new engine.
    """

    def __init__(
        self,
        election: LeaderElection,
        identity: str,
        metrics: Metrics,
        events: WatchEvents,
        new_engine: Callable[[], Engine],
    ) -> None:
        self._election = election
        self._identity = identity
        self._metrics = metrics
        self._events = events
        self._new_engine = new_engine

    async def run(self) -> None:
        """Wait for leadership, run an engine while this process is the leader, and repeat until cancelled."""
        try:
            while True:
                await self._wait_until(leading=True)
                logger.info("became leader", extra=self._log_fields())
                await self._run_engine()
                logger.warning("is standby", extra=self._log_fields())
        finally:
            await self._election.release()

    async def _run_engine(self) -> None:
        """Run an engine until this process is no longer the leader; raises what the engine raises."""
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
            is_leading = await self._election.check()
            self._metrics.set_leader(is_leader=is_leading)
            if is_leading == leading:
                return
            await asyncio.sleep(self._election.pause_s)

    def _log_fields(self) -> dict[str, str]:
        return {"identity": self._identity, "cause": self._election.cause}
