"""Metrics of the model calls and of the tasks of each agent and variant."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from cognitive_operator.ports.telemetry import AttemptSample, QueueSample, TaskSource

Labels = tuple[str, ...]
_LABELS: Final = ("namespace", "agent", "variant")
_LATENCY_S: Final = (0.1, 0.5, 1, 2, 5, 10, 30, 60)
"""Source: the buckets of the cognitive core's own task durations."""


class AgentCounters:
    """Metrics by namespace, agent and variant. Their series are removed with their agent."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(f"cognitive_{name}", text, (*_LABELS, *more), registry=registry)

        self._tasks = counter("agent_tasks", "Finished tasks of an agent, by status as in cognitive_tasks.", "status")
        self._tokens = counter("agent_tokens", "Tokens of an agent's attempts: prompt or completion.", "token_type")
        self._calls = counter("model_calls", "Model calls that executors sent, with those that failed.")
        self._repairs = counter("repairs", "Answers that were asked for a second time because they were unusable.")
        self._hits = counter("cache_hits", "Attempts whose result came from the cache.")
        self._waits = counter("rate_limit_wait_seconds", "Time that model calls waited for the agent's rate limit.")
        self._latency = Histogram(
            "cognitive_model_latency_seconds",
            "Duration of a model call, answered or failed.",
            _LABELS,
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._series: dict[tuple[str, str], set[tuple[Counter | Histogram, Labels]]] = {}

    def count_attempt(self, attempt: AttemptSample) -> None:
        """Count the end of an attempt."""
        source = attempt.source
        for name, tokens in (("prompt", attempt.prompt_tokens), ("completion", attempt.completion_tokens)):
            self._add(self._tokens, tokens, source, name)
        self._add(self._calls, attempt.calls, source)
        self._add(self._repairs, attempt.repairs, source)
        self._add(self._hits, int(attempt.cache_hit), source)
        self._add(self._waits, attempt.waits_s, source)
        labels = self._labels(self._latency, source)
        for seconds in attempt.latencies_s:
            self._latency.labels(*labels).observe(seconds)

    def count_task(self, source: TaskSource, status: str) -> None:
        """Count the end of a task."""
        self._add(self._tasks, 1, source, status)

    def remove_deleted_agents(self, queues: Sequence[QueueSample]) -> None:
        """Remove the series of all agents without a queue, which are deleted."""
        present = {(each.namespace, each.agent) for each in queues}
        for agent in [each for each in self._series if each not in present]:
            for metric, labels in self._series.pop(agent):
                metric.remove(*labels)

    def _add(self, counter: Counter, number: float, source: TaskSource, *more: str) -> None:
        counter.labels(*self._labels(counter, source, *more)).inc(number)

    def _labels(self, metric: Counter | Histogram, source: TaskSource, *more: str) -> Labels:
        """Return the labels of a series, which is removed with its agent."""
        labels = (source.namespace, source.agent, source.variant, *more)
        self._series.setdefault((source.namespace, source.agent), set()).add((metric, labels))
        return labels
