"""Attempts and the next step for them, from facts that a test varies."""

from typing import Any

from cognitive_operator.api.conditions import Outcome
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Mode
from cognitive_operator.plan.attempt.facts import AttemptFacts, LeaseFacts, Reading, Source
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt, attempt_end
from cognitive_operator.plan.attempt.next_step import plan_attempt
from cognitive_operator.plan.attempt.steps import Close, Read, Step
from cognitive_operator.plan.attempt.timing import AttemptTiming
from support.builders import operator_objects as o

NOW_S = 100.0
CREATED_S = Task.model_validate(o.task_body()).metadata.creation_timestamp.timestamp()
NONE = Reading[Any](None)
CLAIM, RESPONSES, JOB = Read(Source.CLAIM), Read(Source.RESPONSES), Read(Source.JOB)
RESPONSE = attempt_end(o.key(), o.completed(), 7)


def agent(mode: Mode = "Embedded", **spec: Any) -> Agent:
    """Return a valid agent in an execution mode."""
    return Agent.model_validate(o.agent_body(execution={"mode": mode}, **spec))


def in_flight(age_s: float = 10.0, mode: Mode = "Embedded", **fields: Any) -> InFlightAttempt:
    """Return an attempt that was published ``age_s`` before ``NOW_S``."""
    return InFlightAttempt(o.key(), mode, NOW_S - age_s, **fields)


def claimed(for_s: float = 1.0, *, state: str = "running", **fields: Any) -> InFlightAttempt:
    """Return an attempt whose claim has been known for ``for_s``."""
    return in_flight(for_s + 1.0, claim=o.claim(state), claimed_since_s=NOW_S - for_s, **fields)


def facts(attempt: InFlightAttempt, spec: dict[str, Any] | None = None, **fields: Any) -> AttemptFacts:
    """Return the facts about an attempt of a ready agent in the attempt's own mode, of which nothing was read."""
    known: dict[str, Any] = {
        "task": Task.model_validate(o.task_body(**(spec or {}))),
        "agent": agent(attempt.mode),
        "is_ray_changing": False,
        "is_agent_blocked": False,
        "server_time_s": CREATED_S + 30.0,
        "now_s": NOW_S,
        "now": o.NOW,
    }
    return AttemptFacts(attempt, **known | fields)


def plan(attempt: InFlightAttempt, spec: dict[str, Any] | None = None, **fields: Any) -> Step:
    """Return the next step for an attempt."""
    return plan_attempt(facts(attempt, spec, **fields), AttemptTiming())


def seen(attempt: InFlightAttempt, spec: dict[str, Any] | None = None, **fields: Any) -> Step:
    """Return the plan once the claim was read, with a lease that was renewed just now."""
    lease = LeaseFacts(NOW_S, NOW_S, 0.0) if attempt.claim else None
    known = {"claim": Reading(attempt.claim), "lease": lease}
    return plan(attempt, spec, **known | fields)


def operator_end(step: Step) -> AttemptEnd:
    """Return the end of an attempt that the operator closes by itself and reports to the stream."""
    assert isinstance(step, Close)
    assert step.publishes_response
    return step.end


def essence(end: AttemptEnd | None) -> tuple[Outcome, str, bool, bool] | None:
    """Return the outcome and the reason of an end, and its effect on retries."""
    return (end.outcome, end.reason, end.retryable, end.is_counted) if end else None
