"""Metrics of the agents' queues."""

import asyncio
from datetime import datetime

from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.telemetry import Metrics, QueueSample
from cognitive_operator.reconcile.state.index import Index


class QueueMetrics:
    """Updates the metrics of all queues at intervals, so that no event waits for them."""

    def __init__(self, index: Index, metrics: Metrics, clock: Clock, every_s: float) -> None:
        self._index = index
        self._metrics = metrics
        self._clock = clock
        self._every_s = every_s

    async def run(self) -> None:
        """Update the queue metrics at a fixed interval until cancelled."""
        while True:
            self.update()
            await asyncio.sleep(self._every_s)

    def update(self) -> None:
        """Set the metrics to the queues of all agents that exist."""
        now_s = datetime.fromisoformat(self._clock.now()).timestamp()
        self._metrics.set_queues([self._sample(*name, now_s) for name in self._index.agents])

    def _sample(self, namespace: str, agent: str, now_s: float) -> QueueSample:
        queue = self._index.queue_of((namespace, agent))
        age_s = 0.0 if queue.oldest_s is None else max(0.0, now_s - queue.oldest_s)
        return QueueSample(namespace, agent, queue.waiting, queue.slots_in_use, age_s)
