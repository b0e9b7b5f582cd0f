"""Metrics of ended attempts and tasks."""

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import generate_latest

from cognitive_operator.adapters.telemetry.metrics import PrometheusMetrics
from cognitive_operator.api.conditions import Outcome, Phase
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from cognitive_operator.ports.telemetry import QueueSample
from cognitive_operator.reconcile.task.metrics import count_ends, task_status
from support.builders import operator_objects as o

SRE = 'agent="sre",namespace="team"'
KEY = AttemptKey(o.AGENT_UID, o.TASK_UID, 1)
LOST = AttemptEnd(KEY, "Job", Outcome.LOST, "2026-11-21T02:00:05Z", reason="ExecutorLost")


def shown(status: dict[str, Any], *ends: AttemptEnd | None) -> dict[str, float]:
    """Return the samples that are not 0 after each of the ends was written with this status."""
    metrics = PrometheusMetrics(0)
    for end in ends:
        count_ends(metrics, o.task_body(), status, end)
    lines = [line.rpartition(" ") for line in generate_latest(metrics.registry).decode().splitlines()]
    found = {name: float(value) for name, _, value in lines if not name.startswith("#")}
    return {name: value for name, value in found.items() if value and "created" not in name and "bucket" not in name}


def test_a_success_is_counted_with_all_that_it_cost() -> None:
    end = attempt_end(KEY, o.completed(confidence=0.75))
    response = end.response
    assert response is not None
    model = f'model="{response.model}",provider="{response.provider}"'
    assert shown({"phase": "Succeeded", "reason": "Succeeded"}, end) == {
        f'cognitive_tasks_total{{{model},status="success",task_type="FailureAnalysis"}}': 1,
        'cognitive_results_total{mode="Embedded",outcome="Succeeded",task_type="FailureAnalysis"}': 1,
        'cognitive_tokens_total{token_type="prompt"}': response.usage.prompt_tokens,
        'cognitive_tokens_total{token_type="completion"}': response.usage.completion_tokens,
        "cognitive_energy_cost_total": response.energy.delta,
        'cognitive_task_duration_seconds_count{mode="Embedded",task_type="FailureAnalysis"}': 1,
        'cognitive_task_duration_seconds_sum{mode="Embedded",task_type="FailureAnalysis"}': response.duration_ms / 1000,
        'cognitive_confidence_score_count{task_type="FailureAnalysis"}': 1,
        'cognitive_confidence_score_sum{task_type="FailureAnalysis"}': 0.75,
        f'cognitive_agent_tasks_total{{{SRE},status="success",variant=""}}': 1,
        f'cognitive_agent_tokens_total{{{SRE},token_type="prompt",variant=""}}': response.usage.prompt_tokens,
        f'cognitive_agent_tokens_total{{{SRE},token_type="completion",variant=""}}': response.usage.completion_tokens,
    }


def test_the_calls_of_an_attempt_are_counted_for_its_agent_and_variant() -> None:
    calls = {"count": 3, "repairs": 1, "waits_ms": 250, "latencies_ms": [400, 1600]}
    more: dict[str, Any] = {"variant": "b", "calls": calls, "cache_hit": True}
    labels = f'{SRE},variant="b"'
    found = shown({"phase": "Succeeded"}, attempt_end(KEY, o.completed(**more)))
    assert {name: value for name, value in found.items() if labels in name and "token" not in name} == {
        f"cognitive_model_calls_total{{{labels}}}": 3,
        f"cognitive_repairs_total{{{labels}}}": 1,
        f"cognitive_cache_hits_total{{{labels}}}": 1,
        f"cognitive_rate_limit_wait_seconds_total{{{labels}}}": 0.25,
        f"cognitive_model_latency_seconds_count{{{labels}}}": 2,
        f"cognitive_model_latency_seconds_sum{{{labels}}}": 2.0,
    }


def test_an_attempt_without_a_response_counts_for_the_variant_of_its_task() -> None:
    metrics = PrometheusMetrics(0)
    count_ends(metrics, o.task_body({"variant": "b"}), {"phase": "Failed", "reason": "ExecutorLost"}, LOST)
    expected = f'cognitive_agent_tasks_total{{{SRE},status="failure",variant="b"}} 1.0'
    assert expected in generate_latest(metrics.registry).decode()


def test_the_series_of_a_deleted_agent_are_removed() -> None:
    metrics = PrometheusMetrics(0)
    end = attempt_end(KEY, o.completed(calls={"count": 1, "latencies_ms": [5]}))
    count_ends(metrics, o.task_body(), {"phase": "Succeeded"}, end)
    metrics.set_queues([QueueSample("team", "sre", 0, 0, 0.0)])
    assert "cognitive_model_latency_seconds_bucket" in generate_latest(metrics.registry).decode()
    metrics.set_queues([QueueSample("team", "other", 0, 0, 0.0)])
    assert 'agent="sre"' not in generate_latest(metrics.registry).decode()


def test_an_attempt_that_is_retried_ends_no_task() -> None:
    assert shown({"phase": "Queued"}, LOST, replace(LOST, reason="JobFailed")) == {
        'cognitive_results_total{mode="Job",outcome="Lost",task_type="FailureAnalysis"}': 2,
        'cognitive_errors_total{error_type="ExecutorLost"}': 1,
        'cognitive_errors_total{error_type="JobFailed"}': 1,
    }


def test_a_task_may_end_without_an_attempt() -> None:
    expected = 'cognitive_tasks_total{model="",provider="",status="invalid_input",task_type="FailureAnalysis"}'
    own = f'cognitive_agent_tasks_total{{{SRE},status="invalid_input",variant=""}}'
    assert shown({"phase": "Failed", "reason": "InputTooLarge"}, None) == {expected: 1, own: 1}
    assert shown({"queuePosition": 3}, None) == {}


def test_a_negative_energy_takes_nothing_away() -> None:
    end = attempt_end(KEY, o.completed())
    assert end.response is not None
    negative = end.response.model_copy(update={"energy": end.response.energy.model_copy(update={"delta": -1})})
    found = shown({"phase": "Succeeded"}, replace(end, response=negative))
    assert not any("energy" in name for name in found)


@pytest.mark.parametrize(
    ("phase", "reason", "expected"),
    [
        (Phase.SUCCEEDED, "Succeeded", "success"),
        (Phase.CANCELLED, "Cancelled", "cancelled"),
        (Phase.FAILED, "DeadlineExceeded", "timeout"),
        (Phase.FAILED, "RateLimited", "rate_limited"),
        (Phase.FAILED, "ContextLengthExceeded", "invalid_input"),
        (Phase.FAILED, "ExecutorLost", "failure"),
    ],
)
def test_each_end_has_its_status(phase: Phase, reason: str, expected: str) -> None:
    assert task_status(phase, reason) == expected
