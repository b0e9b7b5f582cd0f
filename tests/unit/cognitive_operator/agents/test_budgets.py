"""Token budgets: of a task over its attempts, of an agent over a day; and the condition OutputValid."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.counters import Accounting, Counters, DayTokens
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.desired.request import desired_request
from cognitive_operator.plan.agent.usage.budget import check_tokens
from cognitive_operator.plan.agent.usage.counters import Contribution, UsageRecord, counted
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.plan.task import TaskPlan, plan_task
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.uncounted_usage import PendingUsage, UncountedUsage
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

SCHEMA = {"type": "integer"}
USED = {"prompt_tokens": 300, "completion_tokens": 200, "total_tokens": 500}


def end(response: Completed | Failed, earlier: tuple[int | None, ...] = (), **spec: Any) -> TaskPlan:
    attempts = [
        {"number": n, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed", "tokens": tokens}
        for n, tokens in enumerate(earlier, start=1)
    ]
    body = o.task_body({"attempts": attempts}, retryPolicy={"maxRetries": 5}, **spec)
    key = o.key(len(earlier) + 1)
    return plan_task(o.facts(body, end=attempt_end(key, response, 7), attempt=o.in_flight(1, number=key.number)))


def conditions(plan: TaskPlan) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in (plan.patch or {})["conditions"]}


def test_the_budget_left_is_in_the_request() -> None:
    attempts = [
        {"number": n, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": outcome, "tokens": tokens}
        for n, outcome, tokens in ((1, "Failed", 300), (2, "Lost", None), (3, "Failed", 150))
    ]
    agent = Agent.model_validate(o.agent_body())
    task = Task.model_validate(o.task_body({"attempts": attempts}, budget={"tokens": 1000}))
    assert desired_request(task, agent, o.key(4), b"k" * 32, o.NOW).token_budget == 550
    free = Task.model_validate(o.task_body({"attempts": attempts}))
    assert desired_request(free, agent, o.key(4), b"k" * 32, o.NOW).token_budget is None


def test_an_attempt_tells_its_tokens() -> None:
    plan = end(o.failed(2, usage=USED), (40,))
    assert [a.get("tokens") for a in (plan.patch or {})["attempts"]] == [40, 500]


@pytest.mark.parametrize(("budget", "phase"), [(900, "Failed"), (901, "Queued"), (None, "Queued")])
def test_no_attempt_follows_when_the_tokens_are_used_up(budget: int | None, phase: str) -> None:
    plan = end(o.failed(2, usage=USED), (400,), **({"budget": {"tokens": budget}} if budget else {}))
    patch = plan.patch or {}
    assert patch["phase"] == phase
    if phase == "Failed":
        assert patch["reason"] == "BudgetExceeded"
        assert (
            ". Not retried: its attempts together used 900 tokens, and spec.budget.tokens is 900." in patch["message"]
        )
        assert "no answer" in patch["message"]
        assert patch["attempts"][-1]["errorType"] == "ModelTimeout"
        assert patch["usage"]["totalTokens"] == 500


def test_a_run_that_was_stopped_keeps_its_thought() -> None:
    response = o.failed(error_type="BudgetExceeded", retryable=False, reasoning="half a thought", usage=USED)
    plan = end(response, budget={"tokens": 400})
    assert ((plan.patch or {})["reason"], (plan.patch or {})["reasoning"]) == ("BudgetExceeded", "half a thought")
    assert "reasoning" not in (end(o.failed(retryable=False)).patch or {})


def test_a_checked_output_is_said_to_be_valid() -> None:
    checked = o.completed(output_valid=True, result={"thought": "t", "output": 1})
    assert conditions(end(checked, outputSchema=SCHEMA))["OutputValid"] == ("True", "OutputChecked")
    assert "OutputValid" not in conditions(end(o.completed()))


def test_patterns_that_were_not_checked_are_listed() -> None:
    checked = o.completed(output_valid=True, unchecked_patterns=["^(?=a)", *[f"p{n}" for n in range(9)]])
    plan = end(checked, outputSchema=SCHEMA)
    (found,) = [c for c in (plan.patch or {})["conditions"] if c["type"] == "OutputValid"]
    assert found["status"] == "True"
    assert found["message"].endswith("the patterns ^(?=a), p0, p1, p2, p3, p4, p5, p6 and 2 more.")


def test_an_output_that_nobody_checked_is_not_said_to_be_valid() -> None:
    assert conditions(end(o.completed(), outputSchema=SCHEMA))["OutputValid"] == ("Unknown", "NotChecked")


def test_an_invalid_output_says_where() -> None:
    response = o.failed(error_type="OutputInvalid", error="/output: expected type", retryable=False)
    plan = end(response, outputSchema=SCHEMA)
    assert conditions(plan)["OutputValid"] == ("False", "OutputInvalid")
    (found,) = [c for c in (plan.patch or {})["conditions"] if c["type"] == "OutputValid"]
    assert found["message"] == "/output: expected type"
    assert "OutputValid" not in conditions(end(o.failed(retryable=False), outputSchema=SCHEMA))


def agent_with(tokens_per_day: int | None) -> Agent:
    return Agent.model_validate(
        o.agent_body(**({"budget": {"tokensPerDay": tokens_per_day}} if tokens_per_day else {}))
    )


@pytest.mark.parametrize(
    ("used", "today", "has_left"),
    [
        (DayTokens(), "2026-11-21", True),
        (DayTokens(date="2026-11-21", total=999), "2026-11-21", True),
        (DayTokens(date="2026-11-21", total=1000), "2026-11-21", False),
        (DayTokens(date="2026-11-21", total=1000), "2026-11-22", True),
        (DayTokens(date="2026-12-31", total=1000), "2027-01-01", True),
        (DayTokens(date="2026-11-22", total=1000), "2026-11-21", False),
    ],
)
def test_a_day_is_a_day_in_utc(used: DayTokens, today: str, has_left: bool) -> None:
    assert (check_tokens(agent_with(1000), used, today).status == "True") is has_left
    assert check_tokens(agent_with(None), used, today).message == "No token budget is set."


def test_the_message_says_when_it_goes_on() -> None:
    message = check_tokens(agent_with(1000), DayTokens(date="2026-12-31", total=1200), "2026-12-31").message
    assert message == (
        "The agent has used 1200 of spec.budget.tokensPerDay 1000 on 2026-12-31 (UTC); "
        "attempts resume at 2027-01-01T00:00:00Z."
    )


def entry(sequence: int, day: str, tokens: int) -> UsageRecord:
    usage = USED | {"total_tokens": tokens}
    return UsageRecord(sequence, "team", o.key(), "completed", o.completed(usage=usage), day)


def test_tokens_count_for_the_day_on_which_the_stream_took_them() -> None:
    counters = Counters()
    for sequence, (day, tokens) in enumerate(
        [("2026-11-21", 10), ("2026-11-21", 5), ("2026-11-22", 7), ("2026-11-21", 2)], start=1
    ):
        counters = counted(counters, entry(sequence, day, tokens), Contribution(has_costs=True, ends_task=False))
    assert counters.tokens_today == DayTokens(date="2026-11-22", total=9)
    assert counters.tokens.total == 24
    again = counted(counters, entry(4, "2026-11-22", 100), Contribution(has_costs=True, ends_task=False))
    assert again.tokens_today.total == 9


def test_what_is_accepted_and_not_counted_yet_counts_for_the_bound() -> None:
    used = UncountedUsage().plus(8, PendingUsage(0.5, 300, "2026-11-21"))
    used = used.plus(5, PendingUsage(0.5, 100, "2026-11-21"))
    record = AgentRecord(("team", "sre"), agent_with(1000), o.agent_body(), 1, uncounted=used)
    counters = Counters(
        tokens_today=DayTokens(date="2026-11-21", total=700), accounting=Accounting(stream="s", sequence=5)
    )
    assert record.tokens_today(counters) == DayTokens(date="2026-11-21", total=1000)
    assert record.spent_energy(counters) == 0.5


@pytest.mark.parametrize(
    ("spec", "added", "reason"),
    [
        ({}, (0.0, {}), None),
        ({"energy": {"budget": 0.25}}, (0.25, {"2026-11-21": 500}), "EnergyExhausted"),
        ({"energy": {"budget": 0.26}}, (0.25, {"2026-11-21": 500}), None),
        ({"budget": {"tokensPerDay": 500}}, (0.25, {"2026-11-21": 500}), "BudgetExhausted"),
        ({"budget": {"tokensPerDay": 501}}, (0.25, {"2026-11-21": 500}), None),
    ],
)
def test_a_response_is_added_up_only_for_an_agent_with_a_budget(
    spec: dict[str, Any], added: tuple[float, dict[str, int]], reason: str | None
) -> None:
    now_s = datetime(2026, 11, 21, tzinfo=UTC).timestamp()
    server: Any = SimpleNamespace(server_time=lambda: now_s)
    intake: Any = SimpleNamespace(enqueue=list, enqueue_agent=str)
    index = Index()
    agent = index.upsert_agent(o.agent_body(**spec))
    task = index.upsert_task(o.task_body(), 0.0)
    assert agent is not None
    assert task is not None
    index.block(agent, None)
    feedback = AgentFeedback(index, intake, Clocks(FakeClock(), server))
    feedback.report(task, attempt_end(o.key(), o.completed(usage=USED), 7))
    found = index.latest(agent)
    assert (found.uncounted.energy, found.uncounted.day_tokens) == added
    assert (found.blocker.reason if found.blocker else None) == reason
