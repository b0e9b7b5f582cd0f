"""Names, labels and buckets of the operator's Prometheus metrics.

``reconcile.task.metrics`` counts ended attempts and tasks, ``reconcile.agent.queue_metrics`` reads the queues, and
``agent_metrics`` has the metrics of each agent.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, make_wsgi_app, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cognitive_operator.adapters.telemetry.agent_metrics import AgentCounters
from cognitive_operator.adapters.telemetry.readiness import Readiness, with_readiness
from cognitive_operator.ports.telemetry import AttemptSample, QueueSample, TaskSource

_COUNTERS: Final = {
    "results_dropped": ("Responses that were dropped, by reason.", ("reason",)),
    "tasks_expired": ("Finished tasks that were deleted after their ttlSecondsAfterFinished.", ()),
    "events_dropped": ("Kubernetes Events that were dropped, because the queue was full or the API refused them.", ()),
    "api_requests": ("Requests to the API server, by method and code.", ("method", "code")),
}
_HISTOGRAMS: Final = {"reconcile_seconds": ("Duration of reconciling one object.", ("kind",))}
_RECONCILE_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)
_ATTEMPT_S: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60)
_CONFIDENCE: Final = tuple(n / 10 for n in range(1, 11))


class QueueCollector(Collector):
    """Gauges of the queues. The server's thread reads them, so all samples are replaced at once."""

    def __init__(self) -> None:
        self.queues: Sequence[QueueSample] = ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield each gauge with a sample for each agent."""
        labels = ("namespace", "agent")
        queued = GaugeMetricFamily("cognitive_queued_tasks", "Tasks of an agent that are queued.", labels=labels)
        running = GaugeMetricFamily(
            "cognitive_active_tasks", "Tasks of an agent with an attempt in flight.", labels=labels
        )
        oldest = GaugeMetricFamily(
            "cognitive_queue_oldest_task_age_seconds",
            "Seconds since the creation of the oldest task of an agent that waits for its turn; 0 while none does.",
            labels=labels,
        )
        for sample in self.queues:
            name = (sample.namespace, sample.agent)
            queued.add_metric(name, sample.queued)
            running.add_metric(name, sample.running)
            oldest.add_metric(name, sample.oldest_age_s)
        return (queued, running, oldest)


class OutcomeCounters:
    """Metrics of ended attempts and tasks. Source of names and buckets: the cognitive core's own metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tasks = Counter(
            "cognitive_tasks",
            "Finished tasks by status: success, failure, timeout, rate_limited, invalid_input or cancelled.",
            ("task_type", "status", "provider", "model"),
            registry=registry,
        )
        self._results = Counter(
            "cognitive_results", "Ended attempts by outcome.", ("task_type", "mode", "outcome"), registry=registry
        )
        self._errors = Counter(
            "cognitive_errors", "Attempts that failed, by error class.", ("error_type",), registry=registry
        )
        self._tokens = Counter(
            "cognitive_tokens", "Tokens of all attempts: prompt or completion.", ("token_type",), registry=registry
        )
        self._energy = Counter("cognitive_energy_cost", "Energy of all attempts.", registry=registry)
        self._seconds = Histogram(
            "cognitive_task_duration_seconds",
            "Running time of an attempt.",
            ("task_type", "mode"),
            buckets=_ATTEMPT_S,
            registry=registry,
        )
        self._confidence = Histogram(
            "cognitive_confidence_score",
            "Confidence of the results that have one.",
            ("task_type",),
            buckets=_CONFIDENCE,
            registry=registry,
        )

    def count_attempt(self, attempt: AttemptSample) -> None:
        """Count the end of an attempt."""
        self._results.labels(attempt.task_type, attempt.mode, attempt.outcome).inc()
        self._tokens.labels("prompt").inc(attempt.prompt_tokens)
        self._tokens.labels("completion").inc(attempt.completion_tokens)
        self._energy.inc(max(0.0, attempt.energy))
        if attempt.error_type is not None:
            self._errors.labels(attempt.error_type).inc()
        if attempt.duration_s is not None:
            self._seconds.labels(attempt.task_type, attempt.mode).observe(attempt.duration_s)
        if attempt.confidence is not None:
            self._confidence.labels(attempt.task_type).observe(attempt.confidence)

    def count_task(self, task_type: str, status: str, provider: str, model: str) -> None:
        """Count the end of a task."""
        self._tasks.labels(task_type, status, provider, model).inc()


class PrometheusMetrics:
    """Implements ``Metrics``; serves ``/metrics`` and ``/readyz`` on a port of its own unless the port is 0."""

    def __init__(self, port: int) -> None:
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"cognitive_operator_{name}", text, labels, registry=self.registry)
            for name, (text, labels) in _COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(f"cognitive_operator_{name}", text, labels, buckets=_RECONCILE_S, registry=self.registry)
            for name, (text, labels) in _HISTOGRAMS.items()
        }
        self._leader = Gauge(
            "cognitive_operator_leading", "1 while this process is the leader, else 0.", registry=self.registry
        )
        self._api_server = Gauge(
            "cognitive_operator_api_server_available",
            "1 while the API server answers this process, else 0.",
            registry=self.registry,
        )
        self._namespaces = Gauge(
            "cognitive_operator_namespace_available",
            "1 while a watched namespace can be listed and watched, else 0.",
            ("namespace",),
            registry=self.registry,
        )
        self._readiness = Readiness()
        self._outcomes = OutcomeCounters(self.registry)
        self._agents = AgentCounters(self.registry)
        self._queues = QueueCollector()
        self.registry.register(self._queues)
        self._server = start_http_server(port, registry=self.registry) if port else None
        if self._server is not None:
            self._server[0].set_app(with_readiness(make_wsgi_app(self.registry), self._readiness))

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        counter = self._counters[name]
        (counter.labels(**labels) if labels else counter).inc()

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""
        self._histograms[name].labels(**labels).observe(seconds)

    def count_attempt(self, attempt: AttemptSample) -> None:
        """Count the end of an attempt."""
        self._outcomes.count_attempt(attempt)
        self._agents.count_attempt(attempt)

    def count_task(self, task_type: str, status: str, provider: str, model: str, source: TaskSource) -> None:
        """Count the end of a task."""
        self._outcomes.count_task(task_type, status, provider, model)
        self._agents.count_task(source, status)

    def set_leader(self, *, is_leader: bool) -> None:
        """Set the gauge of leadership: 1 while this process is the leader."""
        self._leader.set(is_leader)

    def set_api_server(self, is_available: bool) -> None:
        """Set the gauge of the API server's availability and the answer of ``/readyz``."""
        self._readiness.is_api_server_available = is_available
        self._api_server.set(is_available)

    def set_namespace(self, name: str, problem: str | None) -> None:
        """Set the gauge of a watched namespace and its line of ``/readyz``; None: it is available."""
        self._readiness.namespaces[name] = problem
        self._namespaces.labels(name).set(problem is None)

    def set_queues(self, queues: Sequence[QueueSample]) -> None:
        """Replace the samples of all agents' queues."""
        self._queues.queues = tuple(queues)
        self._agents.remove_deleted_agents(queues)

    def close(self) -> None:
        """Stop the server of ``/metrics``."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)
