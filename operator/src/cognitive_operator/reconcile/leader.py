"""Lets an engine work while this process is the one of its peers that does, and nobody otherwise.

Two engines at once would do no harm: no attempt is executed twice and no status is overwritten, because requests,
claims and status writes are conditional. It would only be twice the work.
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
LOOK_EVERY_S: Final = 2.0


class LeaderElection:
    """Takes in objects on behalf of the engine, as long as there is one.

    ``peering`` names the object by which operators know of each other. Without it, or while that does not exist, this
    one works.
    """

    def __init__(self, deps: Deps, me: Candidate, peering: str | None) -> None:
        self._deps = deps
        self._me = me
        self._peering = peering
        self._engine: Engine | None = None
        self._is_leading = False
        self._lag = WatchLag(deps.clock)

    async def run(self) -> None:
        """Run until cancelled: an engine whenever this process leads, a new one each time."""
        while True:
            await self._wait_until(leading=True)
            logger.info("works", extra={"identity": self._me.identity})
            await self._work()
            logger.info("stands by: another operator works", extra={"identity": self._me.identity})

    async def _work(self) -> None:
        """Let an engine work until another operator leads; raises what the engine raises."""
        self._engine = engine = Engine(self._deps, self._lag)
        try:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(engine.run(), name="engine")
                await self._wait_until(leading=False)
                working.cancel()
        finally:
            self._engine = None
            self._lag.reset()

    async def _wait_until(self, *, leading: bool) -> None:
        while True:
            await self._look()
            self._deps.metrics.set_leader(is_leader=self._is_leading)
            if self._is_leading == leading:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look(self) -> None:
        """Find out who leads; while nobody can tell, it stays as it is."""
        try:
            records = await self._deps.kube.peerings.get(self._peering) if self._peering else None
        except CognitiveOperatorError:
            return
        self._is_leading = records is None or is_leader(
            self._me, records, datetime.fromisoformat(self._deps.clock.now())
        )

    def take(self, plural: str, body: Body) -> None:
        """An object exists and is now so. The watches may tell it before the engine works."""
        self._lag.brought(body)
        if self._engine is not None:
            self._engine.take(plural, body)

    def lose(self, plural: str, body: Body) -> None:
        """An object is deleted."""
        self._lag.lost(body["metadata"]["uid"])
        if self._engine is not None:
            self._engine.lose(plural, body)

    def watch_lag_s(self) -> float:
        """Return for how long a change is known that no watch has brought."""
        return self._lag.seconds()
