"""A deliberation asks its members at the same time, awaits them in time, and selects one answer."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import Deliberate, ExecuteAgentTask, StopSignal
from cognitive_runtime.domain import (
    BudgetExceeded,
    Cancelled,
    DeliberationResult,
    EmptyResponse,
    ExecutionRequest,
    ModelTimeout,
    ModelUnavailable,
    ReasoningError,
    Usage,
)
from support.builders.deliberations import deliberated, deliberation, judge_signature
from support.builders.runtime_requests import completed, execution_request, failed
from support.fakes.deliberation_members import Members, answer, error, run


async def refused(members: Members, request: ExecutionRequest) -> ReasoningError:
    with pytest.raises(ReasoningError) as caught:
        await run(members, request)
    return caught.value


def shown(found: DeliberationResult | None) -> list[tuple[int, str, str | None]]:
    assert found is not None
    return [(each.number, each.outcome, each.error_type) for each in found.members]


async def test_one_member_hangs_one_fails_and_three_answer() -> None:
    members = Members(None, error(EmptyResponse("e"), thought="abcd"), answer("b"), answer("a"), answer("b", "xyz"))
    found = await run(members, deliberated(deliberation(5, 3, "decision")))
    assert (found.outputs, found.confidence, found.thought) == ({"decision": "b"}, 0.5, "xy")
    result = found.deliberation
    assert shown(result) == [
        (1, "Failed", "DeadlineExceeded"),
        (2, "Failed", "EmptyResponse"),
        (3, "Succeeded", None),
        (4, "Succeeded", None),
        (5, "Succeeded", None),
    ]
    assert result is not None
    assert (result.method, result.selected, result.votes, result.judge) == ("Majority", 3, 2, None)
    assert found.usage == Usage(43, 20, 63) == result.usage
    assert result.characters == 3 + 4 + 2 + 2 + 3
    assert len(members.budgets) == 1


async def test_all_members_are_awaited_beyond_the_quorum() -> None:
    members = Members(answer("a"), answer("b"), answer("b"))
    found = await run(members, deliberated(deliberation(3, 1, "decision"), timeout_seconds=30))
    assert found.outputs == {"decision": "b"}
    assert sorted(members.numbers) == [1, 2, 3]


async def test_a_missed_quorum_fails_with_the_usage_of_all_and_keeps_the_answers() -> None:
    members = Members(answer(), error(ModelTimeout("No answer.")), error(ModelTimeout("No answer.")))
    found = await refused(members, deliberated(deliberation()))
    assert isinstance(found, ModelTimeout)
    assert str(found).startswith(
        "1 of 3 members answered; spec.deliberation.quorum is 2. Member 2: ModelTimeout: No answer."
    )
    assert found.usage == Usage(30, 15, 45)
    assert shown(found.deliberation)[0] == (1, "Succeeded", None)
    assert found.deliberation is not None
    assert (found.deliberation.selected, found.deliberation.members[0].result) == (None, {"decision": "a"})


async def test_a_member_without_room_in_the_budget_is_skipped() -> None:
    members = Members(answer(), error(BudgetExceeded("b"), Usage()), error(BudgetExceeded("b")))
    found = await run(members, deliberated(deliberation(quorum=1)))
    assert shown(found.deliberation)[1:] == [(2, "Skipped", "BudgetExceeded"), (3, "Failed", "BudgetExceeded")]
    everything = Members(*[error(BudgetExceeded("b"), Usage())] * 3)
    assert isinstance(await refused(everything, deliberated(deliberation())), BudgetExceeded)


async def test_a_crash_of_a_member_is_a_failure_of_that_member_without_its_text() -> None:
    found = await run(Members(answer(), ValueError("secret"), answer()), deliberated(deliberation()))
    assert shown(found.deliberation)[1] == (2, "Failed", "InternalError")
    everything = await refused(Members(*[ValueError("secret")] * 3), deliberated(deliberation()))
    assert "secret" not in str(everything)


async def test_a_majority_without_the_field_fails_and_names_it() -> None:
    found = await refused(Members(*[answer()] * 3), deliberated(deliberation(field="severity")))
    assert (found.error_type, found.usage) == ("OutputParseError", Usage(30, 15, 45))
    assert str(found) == "No member's answer has severity, which deliberation.selection.field names."


async def test_a_judge_gets_the_task_and_the_candidates_and_selects_by_their_position() -> None:
    judged = answer("", "uvw", usage=Usage(4, 1, 5))
    members = Members(error(EmptyResponse("e")), answer("a"), answer("b"), judge=replace(judged, outputs={"best": 2}))
    request = deliberated(deliberation(judge=judge_signature()), constraints={"rubric": "short"})
    found = await run(members, request)
    assert (found.outputs, found.confidence) == ({"decision": "b"}, 0.5)
    assert found.deliberation is not None
    assert (found.deliberation.selected, found.deliberation.votes) == (3, None)
    judge = found.deliberation.judge
    assert judge is not None
    assert (judge.name, judge.generation, judge.usage, judge.characters) == ("best-fix", 2, Usage(4, 1, 5), 3)
    assert found.usage == Usage(34, 16, 50)
    asked = members.asked[-1]
    assert (asked.task_type, asked.member, asked.deliberation) == ("custom", None, None)
    assert asked.input["candidates"] == ["a", "b"]
    assert "replicas" in asked.input["task"]
    assert asked.constraints == {"rubric": "short"}
    assert asked.timeout_seconds < request.timeout_seconds
    assert len(members.budgets) == 1


@pytest.mark.parametrize(
    ("judged", "kind", "said"),
    [
        (error(ModelUnavailable("No connection.")), "ModelUnavailable", " failed: No connection."),
        ({"best": 3}, "OutputParseError", " answered with best 3; expected 1 to 2."),
        ({"best": 0}, "OutputParseError", " answered with best 0; expected 1 to 2."),
        ({}, "OutputParseError", " answered with best no number; expected 1 to 2."),
        (ValueError("secret"), "InternalError", "ValueError while reasoning."),
    ],
)
async def test_a_judge_that_fails_fails_the_deliberation(judged: Any, kind: str, said: str) -> None:
    if isinstance(judged, dict):
        judged = replace(answer(), outputs=judged)
    members = Members(answer("a"), answer("b"), judge=judged)
    found = await refused(members, deliberated(deliberation(2, 2, judge=judge_signature())))
    assert found.error_type == kind
    assert str(found).endswith(said)
    expected = Usage(20, 10, 30) if kind == "InternalError" else Usage(30, 15, 45)
    assert found.usage == expected


async def test_a_single_answer_needs_no_judge() -> None:
    members = Members(answer("a"), error(EmptyResponse("e")), judge=error(ModelTimeout("m")))
    found = await run(members, deliberated(deliberation(2, 1, judge=judge_signature())))
    assert found.deliberation is not None
    assert (found.outputs, found.deliberation.judge) == ({"decision": "a"}, None)


async def test_a_stopped_deliberation_reports_what_its_members_used() -> None:
    members, stop = Members(answer(), answer(), None), StopSignal()
    execute = ExecuteAgentTask(Deliberate(members, SystemClock()), SystemClock())
    request = deliberated(deliberation(), timeout_seconds=30, agent={"cost_per_character": 1.0})
    running = asyncio.create_task(execute(request, worker="w", submission_id="s", stop=stop))
    await members.hanging.wait()
    stop.stop(Cancelled("The operator stopped the attempt."))
    outcome = failed(await running)
    assert (outcome.error_type, outcome.usage) == ("Cancelled", Usage(23, 10, 33))
    assert shown(outcome.deliberation)[2] == (3, "Failed", "InternalError")
    assert outcome.energy_delta == 2 + 2 + 3


async def test_the_energy_of_a_result_counts_the_reasoning_of_all_members() -> None:
    members = Members(answer("a", "x"), answer("a", "xx"), error(EmptyResponse("e"), thought="xxxx"))
    execute = ExecuteAgentTask(Deliberate(members, SystemClock()), SystemClock())
    request = deliberated(deliberation(), agent={"cost_per_character": 1.0})
    outcome = completed(await execute(request, worker="w", submission_id="s"))
    assert (outcome.energy_delta, outcome.usage, outcome.reasoning) == (7, Usage(30, 15, 45), "x")


async def test_a_result_is_from_the_cache_only_if_all_answers_are() -> None:
    cached = answer(cache_hit=True, usage=Usage())
    assert (await run(Members(cached, cached), deliberated(deliberation(2)))).cache_hit
    mixed = await run(Members(cached, answer()), deliberated(deliberation(2)))
    assert (mixed.cache_hit, mixed.deliberation and mixed.deliberation.characters) == (False, 2)


async def test_a_plain_request_is_passed_on_and_so_is_learnt_behaviour() -> None:
    members, request = Members(), execution_request()
    members.judge = answer()
    assert await run(members, request) == answer()
    assert members.asked == [request]
    assert Deliberate(members, SystemClock()).learnt() == members.learnt()
