"""Prometheus metrics of the operator."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, start_http_server

_COUNTERS: Final = {
    "results_dropped": ("Responses that were dropped, by reason.", ("reason",)),
    "tasks_expired": ("Finished tasks that were deleted because their time to live was over.", ()),
    "events_dropped": ("Kubernetes Events that were not written because too many waited.", ()),
}


class PrometheusMetrics:
    """Implements ``Metrics``; serves ``/metrics`` on a port of its own unless the port is 0."""

    def __init__(self, port: int) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"cognitive_operator_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        self._server = start_http_server(port, registry=self.registry) if port else None

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc()

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)
