"""The identities of spans, and what they tell."""

import re

from cognitive_operator.api.conditions import Outcome
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from cognitive_operator.plan.attempt.trace import ended_spans, trace_id, traceparent
from support.builders import operator_objects as o

KEY = AttemptKey(o.AGENT_UID, o.TASK_UID, 1)


def test_the_trace_is_the_tasks_uid() -> None:
    assert trace_id("0B9C6F0A-2f5e-4f0e-8a6b-9b7d1c2e3f4a") == "0b9c6f0a2f5e4f0e8a6b9b7d1c2e3f4a"
    for odd in ("not-a-uuid", "00000000-0000-0000-0000-000000000000"):
        assert re.fullmatch(r"(?!0{32})[0-9a-f]{32}", trace_id(odd))


def test_an_executor_continues_the_span_of_its_attempt() -> None:
    (span,) = ended_spans(o.task_body(), {}, attempt_end(KEY, o.completed()))
    assert traceparent(KEY) == f"00-{span.trace_id}-{span.span_id}-01"
    assert traceparent(KEY) != traceparent(KEY._replace(number=2))


def test_the_end_of_a_task_is_the_root_of_its_attempts() -> None:
    status = {"phase": "Succeeded", "reason": "Succeeded", "finishedAt": "2026-11-21T02:00:10Z"}
    attempt, root = ended_spans(o.task_body(), status, attempt_end(KEY, o.completed()))
    assert (attempt.parent_id, attempt.trace_id) == (root.span_id, root.trace_id)
    assert (root.parent_id, root.ended_at, root.error) == (None, "2026-11-21T02:00:10Z", "")


def test_an_attempt_that_nobody_began_has_no_length() -> None:
    lost = AttemptEnd(KEY, "Job", Outcome.LOST, "2026-11-21T02:00:05Z", reason="JobFailed")
    (span,) = ended_spans(o.task_body(), {"phase": "Queued"}, lost)
    assert (span.started_at, span.error) == (span.ended_at, "JobFailed")


def test_what_ends_nothing_is_no_span() -> None:
    assert ended_spans(o.task_body(), {"queuePosition": 3}, None) == []
