"""Demonstrations of an agent are messages before its task, and a wrong one is refused by its field."""

import json
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.domain import CognitiveTaskType, Demonstration, InvalidRequest
from support.builders.answers import GOOD
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import FakeModel

FAILURE = CognitiveTaskType.FAILURE_ANALYSIS


def demonstrated(output: dict[str, Any], given: dict[str, Any] | None = None) -> Any:
    shown = Demonstration(FAILURE, {"error_message": "e"} if given is None else given, output)
    other = Demonstration(CognitiveTaskType.TASK_PLANNING, {"task_description": "d"}, {})
    return execution_request(agent={"demonstrations": (other, shown)})


async def test_an_agents_demonstrations_are_shown_before_its_task() -> None:
    model = FakeModel(GOOD)
    await CognitiveCore(model).reason(demonstrated(GOOD | {"thought": "shown"}))
    _, question, answer, _ = model.requests[0].messages
    assert json.loads(question.content) == {"incident_context": {"error_message": "e"}}
    assert json.loads(answer.content) == GOOD | {"thought": "shown"}


@pytest.mark.parametrize(
    ("output", "given", "names"),
    [
        ({"thought": "t"}, None, "output.proposed_solution is missing"),
        (GOOD | {"thought": 5}, None, "output.thought must be a text"),
        (GOOD | {"confidence_score": "high"}, None, "output.confidence_score must be a number from 0 to 1"),
        (GOOD | {"confidence_score": 2}, None, "output.confidence_score must be a number from 0 to 1"),
        (GOOD | {"cause": "c"}, None, "output.cause is no output"),
        (GOOD, {}, "input: failure_analysis needs"),
    ],
)
async def test_a_wrong_demonstration_is_an_invalid_request(
    output: dict[str, Any], given: dict[str, Any] | None, names: str
) -> None:
    model = FakeModel(GOOD)
    with pytest.raises(InvalidRequest, match=names) as caught:
        await CognitiveCore(model).reason(demonstrated(output, given))
    assert "demonstrations[1]" in str(caught.value)
    assert not model.requests


async def test_a_list_of_a_demonstration_must_be_a_list() -> None:
    plan = {
        "thought": "t",
        "step_by_step_plan": "1. one",
        "estimated_complexity": 2,
        "complexity_rationale": "r",
        "risk_assessment": [],
    }
    shown = Demonstration(CognitiveTaskType.TASK_PLANNING, {"task_description": "d"}, plan)
    request = execution_request(CognitiveTaskType.TASK_PLANNING, agent={"demonstrations": (shown,)})
    with pytest.raises(InvalidRequest, match=r"demonstrations\[0\].output.step_by_step_plan must be no text"):
        await CognitiveCore(FakeModel("")).reason(request)
