"""Shows the agents' queues as metrics."""

import asyncio
from datetime import datetime
from typing import Final

from cognitive_operator.ports.telemetry import QueueSample
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index

SHOW_EVERY_S: Final = 5.0


class QueueMetrics:
    """Brings the metrics of the queues up to date at intervals, so that no event waits for them."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            self.show()
            await asyncio.sleep(SHOW_EVERY_S)

    def show(self) -> None:
        """Show the queues of all agents that exist."""
        now_s = datetime.fromisoformat(self._deps.clock.now()).timestamp()
        self._deps.metrics.set_queues([self._seen(*name, now_s) for name in self._index.agents])

    def _seen(self, namespace: str, agent: str, now_s: float) -> QueueSample:
        queue = self._index.queue_of((namespace, agent))
        age_s = 0.0 if queue.oldest_s is None else max(0.0, now_s - queue.oldest_s)
        return QueueSample(namespace, agent, queue.waiting, queue.running, age_s)
