"""Queues under a model whose inference fails, in simulated time."""

from typing import Any

import pytest

from cognitive_operator.api.wire import Completed, Failed
from support.builders import operator_objects as o
from support.fakes.outage import Answer, Outage

TEN_MINUTES_S = 600.0


def failing_until(end_s: float, error_type: str = "ModelUnavailable") -> Answer:
    def answer(_: str, now_s: float) -> Completed | Failed:
        return o.completed() if now_s >= end_s else o.failed(error_type=error_type)

    return answer


def poisoned_by(*names: str) -> Answer:
    return lambda name, _: o.failed(error_type="ModelUnavailable") if name in names else o.completed()


def names(count: int) -> list[str]:
    return [f"t{number:03}" for number in range(count)]


@pytest.mark.parametrize(
    ("error_type", "call_s", "concurrency", "count", "policy"),
    [
        ("ModelUnavailable", 1.0, 8, 100, {}),
        ("ModelUnavailable", 1.0, 1, 100, {"backoffSeconds": 0}),
        ("ModelUnavailable", 1.0, 8, 100, {"maxRetries": 0}),
        ("ModelUnavailable", 1.0, 1, 100, {"maxRetries": 0, "backoffSeconds": 0}),
        ("ModelTimeout", 60.0, 1, 30, {}),
        ("ModelTimeout", 60.0, 1, 30, {"maxRetries": 1, "backoffSeconds": 0}),
        ("ModelTimeout", 60.0, 8, 100, {}),
    ],
)
async def test_an_outage_of_ten_minutes_under_queued_tasks_fails_none(
    error_type: str, call_s: float, concurrency: int, count: int, policy: dict[str, Any]
) -> None:
    outage = Outage(failing_until(TEN_MINUTES_S, error_type), call_s=call_s, concurrency=concurrency)
    outage.add(*names(count), retryPolicy=policy)
    await outage.run(TEN_MINUTES_S)
    assert outage.agent.open_circuit is not None
    assert outage.calls.total() <= 30, "the queue waits"
    assert "Failed" not in outage.phases().values()
    await outage.run(TEN_MINUTES_S + 300.0 + call_s * (count / concurrency + 10.0))
    assert set(outage.phases().values()) == {"Succeeded"}


async def test_three_tasks_survive_an_outage_too() -> None:
    outage = Outage(failing_until(TEN_MINUTES_S))
    outage.add(*names(3), retryPolicy={"maxRetries": 0})
    await outage.run(TEN_MINUTES_S + 350.0)
    assert set(outage.phases().values()) == {"Succeeded"}


async def test_a_model_that_comes_and_goes_fails_no_task() -> None:
    outage = Outage(lambda _, now_s: o.completed() if now_s % 200 > 195 else o.failed(error_type="ModelTimeout"))
    outage.add(*names(60), retryPolicy={"maxRetries": 1})
    await outage.run(800.0)
    assert "Failed" not in outage.phases().values()


async def test_two_tasks_of_an_agent_end_by_their_retry_policy() -> None:
    outage = Outage(failing_until(TEN_MINUTES_S))
    outage.add(*names(2))
    await outage.run(60.0)
    assert set(outage.phases().values()) == {"Failed"}
    assert set(outage.calls.values()) == {3}
    assert outage.agent.open_circuit is None


@pytest.mark.parametrize("concurrency", [1, 8])
async def test_three_tasks_that_fail_at_each_attempt_end_once_others_have_succeeded_after_three_openings(
    concurrency: int,
) -> None:
    poison = ("p0", "p1", "p2")
    outage = Outage(poisoned_by(*poison), concurrency=concurrency)
    outage.add(*poison, retryPolicy={"maxRetries": 5})
    await outage.run(1000.0)
    for round_ in range(1, 7):
        outage.add(*(f"r{round_}-{name}" for name in names(5)))
        await outage.run(1000.0 * (round_ + 1))
        assert {outage.phases()[f"r{round_}-{name}"] for name in names(5)} == {"Succeeded"}
    assert len(outage.open_s) <= 3
    assert {outage.phases()[name] for name in poison} == {"Failed"}


async def test_one_task_that_fails_at_each_attempt_gets_no_attempt_more_than_its_policy_says() -> None:
    outage = Outage(poisoned_by("p0"), concurrency=2)
    outage.add("p0", *names(40))
    await outage.run(120.0)
    assert (outage.phases()["p0"], outage.calls["p0"]) == ("Failed", 3)
    assert outage.open_s == []
