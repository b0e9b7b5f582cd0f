"""Reports ended attempts and tasks to metrics and traces."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.wire import Calls, Completed
from cognitive_operator.plan.attempt.in_flight import AttemptEnd
from cognitive_operator.plan.attempt.trace import ended_spans
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.telemetry import AttemptSample, Metrics, TaskSource, Tracer
from cognitive_operator.status.task import seconds_between

_STATUSES: Final = {
    "DeadlineExceeded": "timeout",
    "QueueTimeout": "timeout",
    "ModelTimeout": "timeout",
    "RateLimited": "rate_limited",
    "BadRequest": "invalid_input",
    "ContextLengthExceeded": "invalid_input",
    "InvalidRequest": "invalid_input",
    "InputInvalid": "invalid_input",
    "InputTooLarge": "invalid_input",
    "InvalidOutputSchema": "invalid_input",
    "DependencyCycle": "invalid_input",
}
"""Metric label ``status`` of failed tasks by their reason; the label of all others is failure."""


class TaskTelemetry:
    """Reports the attempt and the task that a status write ended."""

    def __init__(self, metrics: Metrics, tracer: Tracer) -> None:
        self._metrics = metrics
        self._tracer = tracer

    def report(self, body: Body, status: Mapping[str, Any], end: AttemptEnd | None) -> None:
        """Count and trace the attempt and the task that a status write ended; arguments as of ``count_ends``."""
        count_ends(self._metrics, body, status, end)
        if self._tracer.is_on:
            self._tracer.export(ended_spans(body, status, end))


def count_ends(metrics: Metrics, body: Body, status: Mapping[str, Any], end: AttemptEnd | None) -> None:
    """Count the attempt, the task or both that a status write ended.

    Args:
        metrics: The counters.
        body: The task before the write.
        status: The merge patch that was written.
        end: The attempt that ended, if one did.
    """
    task_type, source = str(body["spec"]["type"]), _source(body, end)
    if end is not None:
        metrics.count_attempt(replace(_seen(task_type, end), source=source))
    phase = status.get("phase")
    if phase is None or not Phase(phase).is_terminal:
        return
    response = end.response if end is not None else None
    provider, model = (response.provider, response.model) if response else ("", "")
    metrics.count_task(task_type, task_status(Phase(phase), str(status.get("reason"))), provider, model, source)


def task_status(phase: Phase, reason: str) -> str:
    """Return the status under which a finished task is counted."""
    if phase is Phase.FAILED:
        return _STATUSES.get(reason, "failure")
    return "success" if phase is Phase.SUCCEEDED else "cancelled"


def _source(body: Body, end: AttemptEnd | None) -> TaskSource:
    """Return the task's agent, and the variant of the attempt that ended, or else of the task."""
    own = end.response.variant if end is not None and end.response is not None else None
    variant = own or (body.get("status") or {}).get("variant") or ""
    return TaskSource(body["metadata"]["namespace"], body["spec"]["agentRef"]["name"], variant)


def _seen(task_type: str, end: AttemptEnd) -> AttemptSample:
    response, error_type = end.response, end.reason or None
    if response is None:
        duration_s = seconds_between(end.claim.claimed_at if end.claim else None, end.finished_at)
        return AttemptSample(task_type, end.mode, end.outcome, error_type, duration_s)
    calls = response.calls or Calls()
    return AttemptSample(
        task_type,
        end.mode,
        end.outcome,
        error_type,
        duration_s=response.duration_ms / 1000,
        prompt_tokens=response.usage.prompt_tokens,
        completion_tokens=response.usage.completion_tokens,
        energy=response.energy.delta,
        confidence=response.confidence if isinstance(response, Completed) else None,
        cache_hit=isinstance(response, Completed) and response.cache_hit,
        repairs=calls.repairs,
        waits_s=calls.waits_ms / 1000,
        calls=calls.count,
        latencies_s=tuple(each / 1000 for each in calls.latencies_ms),
    )
