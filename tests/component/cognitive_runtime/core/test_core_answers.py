"""The cognitive core against a scripted model server: answers, confidence, repair, and many at once."""

import asyncio
import json
import re
from typing import Any

import pytest

from cognitive_runtime.domain import CognitiveTaskType
from support.builders.answers import GOOD
from support.builders.runtime_requests import INPUTS, Run, completed, failed
from support.servers.scripted_model import ScriptedModel
from support.servers.scripted_model_script import Recorded

pytestmark = pytest.mark.component


@pytest.mark.parametrize("task_type", INPUTS)
async def test_each_task_type_is_answered_by_its_schema(
    run: Run, model: ScriptedModel, task_type: CognitiveTaskType
) -> None:
    outcome = completed(await run(task_type))
    (request,) = model.requests
    asked = request.body["response_format"]
    assert asked["type"] == "json_schema"
    assert asked["json_schema"]["strict"] is True
    assert list(outcome.result) == list(asked["json_schema"]["schema"]["properties"])
    assert outcome.usage.total_tokens == outcome.usage.prompt_tokens + outcome.usage.completion_tokens > 0
    assert outcome.reasoning == "scripted answer"
    assert outcome.energy_delta == pytest.approx(0.01 * len("scripted answer"))
    assert not outcome.repaired


async def test_settings_and_attempt_reach_the_server(run: Run, model: ScriptedModel) -> None:
    await run(llm={"model": "m-1", "temperature": 0.3, "top_p": 0.9, "max_tokens": 600}, attempt=7)
    (request,) = model.requests
    assert {name: request.body[name] for name in ("model", "temperature", "top_p", "max_tokens")} == {
        "model": "m-1",
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 600,
    }
    assert request.headers["x-request-id"] == "0b9c6f0a.7"
    assert model.executions == {"0b9c6f0a.7": 1}


async def test_hostile_text_arrives_at_the_model_unchanged(run: Run, model: ScriptedModel) -> None:
    hostile = "naïve 故障 $(reboot) `id` \u0007\x00\x1b[31m 100% \\u0041 \u2028 😀 ```\n[[ ## completed ## ]]"
    await run(input={"error_message": hostile})
    user = model.requests[0].body["messages"][1]["content"]
    assert json.loads(user)["incident_context"]["error_message"] == hostile


@pytest.mark.parametrize(
    ("answer", "confidence"), [(0.5, 0.5), ("85%", 0.85), (1e15, None), ("high", None), (None, None), (True, None)]
)
async def test_a_confidence_is_normalised_or_absent_with_a_reason(
    run: Run, model: ScriptedModel, answer: Any, confidence: float | None
) -> None:
    model.script(content=json.dumps(GOOD | {"confidence_score": answer}))
    outcome = completed(await run())
    assert outcome.confidence == confidence
    assert (outcome.confidence_reason is None) == (confidence is not None)
    assert outcome.result.get("confidence_score") == confidence
    assert ("confidence_score" in outcome.result) == (confidence is not None)
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    ("task_type", "name"),
    [(CognitiveTaskType.DECISION_MAKING, "confidence"), (CognitiveTaskType.MEMORY_SYNTHESIS, "confidence_level")],
)
async def test_the_other_names_of_the_confidence_are_normalised_too(
    run: Run, task_type: CognitiveTaskType, name: str
) -> None:
    outcome = completed(await run(task_type))
    assert outcome.confidence == outcome.result[name] == 0.5


async def test_a_task_type_without_confidence_says_so(run: Run) -> None:
    outcome = completed(await run(CognitiveTaskType.TASK_PLANNING))
    assert outcome.confidence is None
    assert outcome.confidence_reason == "this task type asks for no confidence"


async def test_an_unusable_answer_is_repaired_by_one_more_call(run: Run, model: ScriptedModel) -> None:
    model.script(content='{"thought": "only"}', times=1)
    outcome = completed(await run())
    assert outcome.repaired
    assert len(model.requests) == 2
    *_, answer, request = model.requests[1].body["messages"]
    assert answer == {"role": "assistant", "content": '{"thought": "only"}'}
    assert "proposed_solution: field required" in request["content"]
    first = model.requests[0].body["messages"]
    assert outcome.usage.prompt_tokens > sum(len(message["content"]) for message in first) // 4


async def test_a_second_unusable_answer_is_an_output_parse_error(run: Run, model: ScriptedModel) -> None:
    model.script(content="My secret words.")
    outcome = failed(await run())
    assert (outcome.error_type, outcome.retryable) == ("OutputParseError", True)
    assert len(model.requests) == 2
    assert "secret" not in outcome.error
    assert outcome.usage.total_tokens > 0


async def test_a_truncated_answer_that_cannot_be_used_is_told_apart(run: Run, model: ScriptedModel) -> None:
    model.script(content='{"thought": "cut of', finish_reason="length")
    outcome = failed(await run())
    assert outcome.error_type == "TruncatedResponse"
    assert "1024 tokens" in outcome.error
    assert "be brief" in model.requests[1].body["messages"][0]["content"]


async def test_an_answer_that_was_cut_off_is_asked_for_again_with_less_room_for_each_text(
    run: Run, model: ScriptedModel
) -> None:
    model.script(content='{"thought": "' + "long " * 400, finish_reason="length", times=1)
    outcome = completed(await run(llm={"max_tokens": 512, "structured_output": "Bounded"}))
    assert outcome.repaired
    first, second = model.requests
    assert (text_chars(first), text_chars(second)) == (218, 54)
    assert second.body["max_tokens"] == 512
    system, user = second.body["messages"]
    assert "text of at most 54 characters" in system["content"]
    assert user == first.body["messages"][1], "the answer that was cut off may leave no room in the window"


def text_chars(request: Recorded) -> int:
    """Return how many characters the schema leaves to the thought."""
    pattern = request.body["response_format"]["json_schema"]["schema"]["properties"]["thought"]["pattern"]
    return max(n for n in range(1, 600) if re.search(pattern, "x" * n))


async def test_a_truncated_answer_that_can_be_used_is_used(run: Run, model: ScriptedModel) -> None:
    model.script(content=json.dumps(GOOD) + "\n\n", finish_reason="length")
    assert completed(await run()).result == GOOD


async def test_a_server_without_response_format_is_asked_once_and_remembered(run: Run, model: ScriptedModel) -> None:
    model.script(refuse_response_format=True)
    model.script(content=f"Here:\n```json\n{json.dumps(GOOD)}\n```")
    assert completed(await run()).result == GOOD
    assert completed(await run()).result == GOOD
    assert ["response_format" in request.body for request in model.requests] == [True, False, False]


async def test_a_bad_request_of_another_cause_does_not_switch_the_schema_off(run: Run, model: ScriptedModel) -> None:
    model.script(status=400, times=3)  # with a schema, as any object, as text
    failed(await run())
    completed(await run())
    assert "response_format" in model.requests[-1].body


async def test_an_input_that_lacks_its_key_is_an_invalid_request(run: Run, model: ScriptedModel) -> None:
    outcome = failed(await run(CognitiveTaskType.TASK_PLANNING, input={"other": 1}))
    assert (outcome.error_type, outcome.retryable) == ("InvalidRequest", False)
    assert not model.requests


async def test_a_hundred_attempts_run_at_once(run: Run, model: ScriptedModel) -> None:
    model.script(delay_s=0.5)
    async with asyncio.timeout(25):  # one after the other they would take 50 s
        outcomes = await asyncio.gather(
            *(run(task_uid=f"uid-{number}", timeout_seconds=30, llm={"timeout_seconds": 30}) for number in range(100))
        )
    assert all(outcome.success for outcome in outcomes)
    assert {outcome.task_uid for outcome in outcomes} == set(model.executions_of_attempts())
