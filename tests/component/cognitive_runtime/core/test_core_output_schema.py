"""A task's own output schema: what the model is held to, what is checked, and what becomes of an answer that fails."""

import json
from typing import Any

import pytest

from cognitive_runtime.domain import CognitiveTaskType
from support.builders.answers import GOOD
from support.builders.runtime_requests import INPUTS, Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
SEVERITY = {
    "type": "object",
    "properties": {
        "severity": {"enum": ["low", "high"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
    "required": ["severity", "tags"],
}
FREE = {"type": "object", "additionalProperties": {"type": "integer"}}
"""Schema of an object with any keys, which has no bounded form."""


def answer(output: Any) -> str:
    return json.dumps(GOOD | {"output": output})


@pytest.mark.parametrize("task_type", INPUTS)
async def test_the_output_stands_beside_the_outputs_of_the_type(
    run: Run, model: ScriptedModel, task_type: CognitiveTaskType
) -> None:
    plain = completed(await run(task_type))
    outcome = completed(await run(task_type, output_schema=SEVERITY))
    assert list(outcome.result) == [*plain.result, "output"]
    assert outcome.result["output"] == {"severity": "low", "tags": ["scripted answer"]}
    assert (plain.output_valid, outcome.output_valid) == (None, True)


async def test_the_model_is_held_to_it_and_told_of_it(run: Run, model: ScriptedModel) -> None:
    await run(output_schema=SEVERITY, llm={"structured_output": "Bounded"})
    (request,) = model.requests
    asked = request.body["response_format"]["json_schema"]
    guide = asked["schema"]["properties"]["output"]
    assert asked["strict"] is True
    assert asked["schema"]["required"][-1] == "output"
    assert guide["properties"]["severity"] == {"enum": ["low", "high"]}
    assert guide["properties"]["tags"]["maxItems"] == 5
    assert guide["additionalProperties"] is False
    assert json.dumps(SEVERITY, separators=(",", ":")) in request.body["messages"][0]["content"]


async def test_optional_properties_are_not_asked_for_in_strict_mode(run: Run, model: ScriptedModel) -> None:
    await run(output_schema=SEVERITY | {"required": ["severity"]})
    assert model.requests[0].body["response_format"]["json_schema"]["strict"] is False


async def test_a_free_answer_is_held_to_the_schema_as_it_is(run: Run, model: ScriptedModel) -> None:
    model.script(content=answer({"a": 1, "b": 2}), times=1)
    assert completed(await run(output_schema=FREE)).result["output"] == {"a": 1, "b": 2}
    asked = model.requests[0].body["response_format"]["json_schema"]["schema"]
    assert asked["properties"]["output"] == FREE


async def test_a_schema_without_a_bounded_form_is_checked_all_the_same(run: Run, model: ScriptedModel) -> None:
    model.script(content=answer({"a": 1, "b": 2}), times=1)
    outcome = completed(await run(output_schema=FREE, llm={"structured_output": "Bounded"}))
    assert outcome.result["output"] == {"a": 1, "b": 2}
    assert model.requests[0].body["response_format"] == {"type": "json_object"}
    model.script(content=answer({"a": "one"}))
    assert failed(await run(output_schema=FREE)).error_type == "OutputInvalid"


async def test_an_answer_that_fails_is_repaired_once(run: Run, model: ScriptedModel) -> None:
    model.script(content=answer({"severity": "catastrophic", "tags": ["a"]}), times=1)
    outcome = completed(await run(output_schema=SEVERITY))
    assert outcome.repaired
    assert outcome.result["output"]["severity"] == "low"
    assert '/output/severity: expected enum ["low", "high"]' in model.requests[1].body["messages"][-1]["content"]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"severity": "catastrophic", "tags": ["a"]}, '/output/severity: expected enum ["low", "high"]'),
        ({"severity": "low", "tags": ["a", 3]}, '/output/tags/1: expected type "string", found integer'),
        ({"severity": "low"}, "/output: expected property tags"),
        ({"severity": "low", "tags": []}, "/output/tags: expected minItems 1"),
        ("words", '/output: expected type "object", found string'),
    ],
)
async def test_one_that_fails_twice_says_where_and_what_was_expected(
    run: Run, model: ScriptedModel, output: Any, said: str
) -> None:
    model.script(content=answer(output))
    outcome = failed(await run(output_schema=SEVERITY))
    assert (outcome.error_type, outcome.retryable) == ("OutputInvalid", True)
    assert said in outcome.error
    assert "catastrophic" not in outcome.error
    assert outcome.reasoning == "t"
    assert len(model.requests) == 2


async def test_an_answer_without_it_fails(run: Run, model: ScriptedModel) -> None:
    model.script(content=json.dumps(GOOD))
    assert "/output: is missing" in failed(await run(output_schema=SEVERITY)).error


async def test_outputs_of_the_type_are_no_less_checked(run: Run, model: ScriptedModel) -> None:
    model.script(content=json.dumps({"output": {"severity": "low", "tags": ["a"]}}))
    assert failed(await run(output_schema=SEVERITY)).error_type == "OutputParseError"


async def test_any_kind_of_output_may_be_asked_for(run: Run, model: ScriptedModel) -> None:
    for schema in (
        {"type": "integer", "minimum": 3},
        {"type": "null"},
        {"type": "array", "items": {"type": "boolean"}},
    ):
        outcome = completed(await run(output_schema=schema))
        assert outcome.result["output"] in (3, None, [True])


async def test_a_server_that_refuses_one_schema_is_still_held_to_others(run: Run, model: ScriptedModel) -> None:
    model.script(refuse_response_format=True, times=1)
    model.script(content=answer({"severity": "low", "tags": ["a"]}), times=1)
    completed(await run(output_schema=SEVERITY))
    completed(await run())
    assert ["response_format" in each.body for each in model.requests] == [True, False, True]


async def test_streamed_answers_are_checked_too(run: Run, model: ScriptedModel) -> None:
    model.script(content=answer({"severity": "none"}))
    assert failed(await run(output_schema=SEVERITY, llm={"stream": True})).error_type == "OutputInvalid"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "thing"},
        {"$ref": "#"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/$defs/absent"},
    ],
)
async def test_a_schema_that_cannot_be_applied_is_no_fault_of_the_model(
    run: Run, model: ScriptedModel, schema: dict[str, Any]
) -> None:
    model.script(content=answer("x"))
    outcome = failed(await run(output_schema=schema))
    assert (outcome.error_type, outcome.retryable) == ("InvalidRequest", False)


@pytest.mark.timeout(60)
async def test_a_pattern_takes_linear_time(run: Run, model: ScriptedModel) -> None:
    model.script(content=answer("a" * 5000 + "!"))
    assert failed(await run(output_schema={"type": "string", "pattern": "^(a+)+$"})).error_type == "OutputInvalid"
