"""An attempt that may have changed something by a tool is not repeated by itself."""

from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Claim, Mode
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.attempt.facts import AttemptFacts, LeaseFacts, Reading
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt, attempt_end
from cognitive_operator.plan.attempt.next_step import plan_attempt
from cognitive_operator.plan.attempt.side_effects import needs_claim, with_claim
from cognitive_operator.plan.attempt.steps import Close
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.plan.task import TaskPlan, plan_task
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.side_effects import SideEffects
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker

TOOLS: dict[str, Any] = {"tools": {"enabled": True}}
CALL = {"number": 1, "server": "files", "tool": "write", "arguments_sha256": "ab", "outcome": "Succeeded", "seconds": 1}
REFUSED = CALL | {"outcome": "Refused", "error": "not allowed"}


def with_effects(state: str = "running") -> Claim:
    return o.claim(state).model_copy(update={"side_effects": True})


def task(status: dict[str, Any] | None = None, **spec: Any) -> Task:
    return Task.model_validate(o.task_body(status, **TOOLS | spec))


def lost(
    claim: Claim | None = None, reason: Reason = Reason.EXECUTOR_LOST, outcome: Outcome = Outcome.LOST
) -> AttemptEnd:
    return InFlightAttempt(o.key(), "Embedded", 0.0, claim).closed(o.NOW, outcome, reason, "Worker w0-a is gone.")


def failure(**fields: Any) -> AttemptEnd:
    return attempt_end(o.key(), o.failed(**fields), 7)


def plan_of(end: AttemptEnd, agent: dict[str, Any] | None = None, **spec: Any) -> TaskPlan:
    policy = {"taskDefaults": {"retryPolicy": agent}} if agent else {}
    known = Agent.model_validate(o.agent_body(**policy))
    return plan_task(o.facts(o.task_body(**TOOLS | spec), end=end, agent=known))


def test_the_end_of_a_claim_with_side_effects_has_them() -> None:
    assert lost(with_effects()).side_effects
    assert not lost(o.claim()).side_effects
    assert not lost().side_effects


@pytest.mark.parametrize("mode", ["Embedded", "Job"])
def test_a_lost_lease_ends_an_attempt_with_the_side_effects_of_its_claim(mode: Mode) -> None:
    attempt = InFlightAttempt(o.key(), mode, 0.0, with_effects(), claimed_since_s=1.0)
    facts = AttemptFacts(
        attempt=attempt,
        task=task(),
        agent=Agent.model_validate(o.agent_body(execution={"mode": mode})),
        is_ray_changing=False,
        is_agent_blocked=False,
        server_time_s=None,
        now_s=100.0,
        now=o.NOW,
        claim=Reading(attempt.claim),
        lease=LeaseFacts(50.0, 100.0, 0.0),
        retained=Reading(None),
    )
    step = plan_attempt(facts, AttemptTiming())
    assert isinstance(step, Close)
    assert (step.end.reason, step.end.mode, step.end.side_effects) == ("ExecutorLost", mode, True)


@pytest.mark.parametrize(
    "end",
    [
        lost(with_effects()),
        lost(with_effects("ended"), Reason.RESULT_LOST),
        lost(with_effects(), Reason.RESPONSE_INVALID, Outcome.FAILED),
        replace(failure(error_type="ModelTimeout"), side_effects=True),
        replace(failure(error_type="LeaseLost"), side_effects=True),
        replace(failure(error_type="CredentialsRefused", retryable=False), side_effects=True),
    ],
    ids=["lost", "result lost", "response invalid", "model timeout", "lease lost", "open circuit"],
)
def test_an_attempt_with_side_effects_ends_the_task(end: AttemptEnd) -> None:
    plan = plan_of(end)
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"], plan.closes) == ("Failed", "SideEffects", True)
    assert end.message in plan.patch["message"]
    assert "Check what the tools have changed" in plan.patch["message"]
    (attempt,) = plan.patch["attempts"]
    assert (attempt["outcome"], attempt["errorType"]) == (end.outcome, end.reason)


@pytest.mark.parametrize(
    ("agent", "spec", "is_retried"),
    [
        (None, {}, False),
        ({"afterSideEffects": "Never"}, {}, False),
        ({"afterSideEffects": "Retry"}, {}, True),
        (None, {"retryPolicy": {"afterSideEffects": "Retry"}}, True),
        ({"afterSideEffects": "Retry"}, {"retryPolicy": {"afterSideEffects": "Never"}}, False),
        ({"afterSideEffects": "Retry"}, {"retryPolicy": {"maxRetries": 2}}, True),
    ],
)
def test_the_policy_of_the_task_or_its_agent_decides(
    agent: dict[str, Any] | None, spec: dict[str, Any], is_retried: bool
) -> None:
    plan = plan_of(lost(with_effects()), agent, **spec)
    assert plan.patch is not None
    found = (plan.patch["phase"], plan.patch["reason"])
    assert found == (("Queued", "BackingOff") if is_retried else ("Failed", "SideEffects"))


def test_an_attempt_without_side_effects_is_retried() -> None:
    plan = plan_of(lost(o.claim()))
    assert plan.patch is not None
    assert plan.patch["reason"] == "BackingOff"


def test_an_attempt_that_is_not_retried_keeps_its_own_reason() -> None:
    end = lost(with_effects(), Reason.DEADLINE_EXCEEDED, Outcome.FAILED)
    plan = plan_of(replace(end, retryable=False))
    assert plan.patch is not None
    assert plan.patch["reason"] == "DeadlineExceeded"
    listed = plan_of(replace(end, retryable=False), retryPolicy={"onErrorTypes": ["DeadlineExceeded"]})
    assert listed.patch is not None
    assert listed.patch["reason"] == "SideEffects"


def test_a_suspended_attempt_with_side_effects_ends_the_task_and_a_cancelled_one_is_cancelled() -> None:
    stopped = replace(failure(error_type="Cancelled", retryable=False), side_effects=True)
    suspended, cancelled = plan_of(stopped, suspend=True), plan_of(stopped, cancel=True)
    assert suspended.patch is not None
    assert (suspended.patch["phase"], suspended.patch["reason"]) == ("Failed", "SideEffects")
    assert cancelled.patch is not None
    assert (cancelled.patch["phase"], cancelled.patch["reason"]) == ("Cancelled", "Cancelled")


RUNNING = {"attempts": [{"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "worker": "w0"}]}


@pytest.mark.parametrize(
    ("of", "end", "needed"),
    [
        (task(), failure(), True),
        (task(), lost(o.claim()), True),
        (task(RUNNING), lost(reason=Reason.AGENT_DELETED), True),
        (task(), lost(reason=Reason.JOB_FAILED), False),
        (task(), lost(), True),
        (task(), lost(with_effects()), False),
        (task(), attempt_end(o.key(), o.completed(), 7), False),
        (task(tools={"enabled": False}), failure(), False),
    ],
    ids=["failed", "lost", "agent deleted", "never claimed", "invalid claim", "known", "succeeded", "without tools"],
)
def test_the_claim_is_read_where_it_may_tell(of: Task, end: AttemptEnd, needed: bool) -> None:
    assert needs_claim(of, end) is needed


@pytest.mark.parametrize(
    ("end", "claim", "expected"),
    [
        (failure(), with_effects("ended"), True),
        (failure(operations=[CALL]), o.claim("ended"), False),
        (failure(operations=[CALL]), None, True),
        (failure(operations=[REFUSED]), None, False),
        (failure(), None, False),
        (lost(o.claim()), with_effects(), True),
        (lost(o.claim()), None, True),
    ],
    ids=["claim", "idempotent", "calls", "refused", "no calls", "written later", "purged"],
)
def test_the_claim_decides_and_without_it_the_calls(end: AttemptEnd, claim: Claim | None, expected: bool) -> None:
    assert with_claim(task(), end, claim).side_effects is expected


async def read(end: AttemptEnd, broker: FakeBroker, **spec: Any) -> AttemptEnd:
    index = Index()
    index.upsert_task(o.task_body(**TOOLS | spec), 0.0)
    return await SideEffects(broker.claims).read(index.tasks[o.TASK_UID], end)


async def test_a_claim_is_read_again_after_the_end() -> None:
    broker = FakeBroker()
    broker.claims.claims[o.key()] = with_effects()
    assert (await read(failure(), broker)).side_effects
    assert broker.recorder.of("claims.get") == [("claims.get", o.key())]


async def test_a_task_without_tools_costs_no_request() -> None:
    broker = FakeBroker()
    assert await read(failure(), broker, tools={}) == failure()
    assert broker.recorder.calls == []


@pytest.mark.parametrize("end", [failure(), lost()], ids=["failed", "lost"])
async def test_an_invalid_claim_counts_as_side_effects(end: AttemptEnd) -> None:
    broker = FakeBroker()
    broker.recorder.effects["claims.get"] = MessageError("ClaimInvalid", "no JSON")
    assert (await read(end, broker)).side_effects
    assert not (await read(end, broker, tools={})).side_effects
