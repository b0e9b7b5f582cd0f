"""Prometheus metrics of the operator."""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cognitive_operator.ports import QueueSeen

_COUNTERS: Final = {
    "results_dropped": ("Responses that were dropped, by reason.", ("reason",)),
    "tasks_expired": ("Finished tasks that were deleted because their time to live was over.", ()),
    "events_dropped": ("Kubernetes Events that were not written because too many waited.", ()),
}


class QueueCollector(Collector):
    """Gauges of the queues. They are read in the server's thread, so that what they show is replaced as a whole."""

    def __init__(self) -> None:
        self.queues: Sequence[QueueSeen] = ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield each gauge with a sample for each agent."""
        labels = ("namespace", "agent")
        queued = GaugeMetricFamily("cognitive_queued_tasks", "Tasks of an agent that wait.", labels=labels)
        running = GaugeMetricFamily(
            "cognitive_active_tasks", "Tasks of an agent that are with an executor.", labels=labels
        )
        oldest = GaugeMetricFamily(
            "cognitive_queue_oldest_task_age_seconds",
            "Seconds since the creation of the oldest task that waits for its turn; 0 while none does.",
            labels=labels,
        )
        for seen in self.queues:
            name = (seen.namespace, seen.agent)
            queued.add_metric(name, seen.queued)
            running.add_metric(name, seen.running)
            oldest.add_metric(name, seen.oldest_age_s)
        return (queued, running, oldest)


class PrometheusMetrics:
    """Implements ``Metrics``; serves ``/metrics`` on a port of its own unless the port is 0."""

    def __init__(self, port: int) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"cognitive_operator_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        self._queues = QueueCollector()
        self.registry.register(self._queues)
        self._server = start_http_server(port, registry=self.registry) if port else None

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc()

    def show_queues(self, queues: Sequence[QueueSeen]) -> None:
        """Replace what is shown of all agents' queues."""
        self._queues.queues = tuple(queues)

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)
