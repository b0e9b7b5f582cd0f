"""The form and the length of an answer: schema, bounds, room for thinking, and the task's own output."""

import json
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.dspy.schemas.output_schema import OutputSchema
from cognitive_runtime.domain import OutputInvalid, OutputParseError, ReasoningSettings, TruncatedResponse, Usage
from support.builders.answers import GOOD
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import FakeModel, prompt, response, schema

CUT = response('{"thought": "cut of', finish_reason="length")


async def test_a_free_answer_has_any_characters_and_length() -> None:
    long = "kubectl patch -p '{\"spec\": {}}' \\\n```code```" * 200
    model = FakeModel(GOOD | {"proposed_solution": long})
    found = await CognitiveCore(model).reason(execution_request(llm={"max_tokens": 4096}))
    assert found.outputs["proposed_solution"] == long
    assert "pattern" not in json.dumps(schema(model.requests[0]))
    assert "at most" not in prompt(model.requests[0])
    assert model.requests[0].output == "Schema"


@pytest.mark.parametrize(
    ("setting", "output", "has_schema", "is_bounded"),
    [
        ("Auto", "Schema", True, False),
        ("Schema", "Schema", True, False),
        ("Bounded", "Schema", True, True),
        ("JSONObject", "JSONObject", False, False),
        ("Text", "Text", False, False),
    ],
)
async def test_the_setting_decides_what_the_server_is_asked_for(
    setting: Any, output: str, has_schema: bool, is_bounded: bool
) -> None:
    model = FakeModel(GOOD)
    await CognitiveCore(model).reason(execution_request(llm={"structured_output": setting}))
    (asked,) = model.requests
    assert (asked.output, asked.json_schema is not None) == (output, has_schema)
    assert ("pattern" in json.dumps(asked.json_schema)) == is_bounded
    assert ("at most" in prompt(asked)) == is_bounded


async def test_a_free_answer_that_is_cut_off_is_asked_for_with_bounds_and_that_is_learnt() -> None:
    model = FakeModel(CUT, GOOD)
    core = CognitiveCore(model)
    found = await core.reason(execution_request())
    assert found.repaired
    assert ["pattern" in json.dumps(schema(each)) for each in model.requests] == [False, True]
    assert "be brief" in prompt(model.requests[1])
    assert core.learnt()[0].bounded
    await core.reason(execution_request())
    assert "pattern" in json.dumps(schema(model.requests[2]))
    assert "be brief" not in prompt(model.requests[2])


async def test_bounds_that_did_not_help_teach_nothing() -> None:
    model = FakeModel(CUT)
    core = CognitiveCore(model)
    with pytest.raises(TruncatedResponse, match="1024 tokens"):
        await core.reason(execution_request())
    assert core.learnt() == ()


async def test_thinking_that_crowds_out_the_answer_gets_room_and_teaches_no_bounds() -> None:
    thinking = response('{"thought": "cut', Usage(10, 1024, 1034, 1000), finish_reason="length", reasoning="hm")
    model = FakeModel(thinking, GOOD)
    core = CognitiveCore(model)
    assert (await core.reason(execution_request())).repaired
    assert [each.max_tokens for each in model.requests] == [1024, 2048]
    assert "pattern" not in json.dumps(schema(model.requests[1]))
    assert core.learnt() == ()


async def test_thinking_without_any_answer_gets_room_and_is_asked_again() -> None:
    model = FakeModel(TruncatedResponse("The model used up its tokens.", usage=Usage(1, 9, 10)), GOOD)
    found = await CognitiveCore(model).reason(execution_request())
    assert [each.max_tokens for each in model.requests] == [1024, 2048]
    assert found.usage.total_tokens == 25
    with pytest.raises(TruncatedResponse) as caught:
        await CognitiveCore(FakeModel(TruncatedResponse("used up"))).reason(execution_request())
    assert str(caught.value) == "used up"


async def test_an_answer_that_thinking_crowds_out_twice_says_so() -> None:
    model = FakeModel(response('{"th', Usage(10, 1024, 1034, 3000), finish_reason="length", reasoning="hm"))
    with pytest.raises(TruncatedResponse, match="Thinking used 3000 more"):
        await CognitiveCore(model).reason(execution_request())


@pytest.mark.parametrize(
    ("reasoning", "tokens"),
    [
        (ReasoningSettings(), 100),
        (ReasoningSettings(effort="low"), 200),
        (ReasoningSettings(effort="none"), 100),
        (ReasoningSettings(max_tokens=30), 130),
        (ReasoningSettings(effort="low", max_tokens=1), 101),
    ],
)
async def test_thinking_has_room_of_its_own(reasoning: ReasoningSettings, tokens: int) -> None:
    model = FakeModel(GOOD)
    await CognitiveCore(model).reason(execution_request(llm={"max_tokens": 100, "reasoning": reasoning}))
    assert (model.requests[0].max_tokens, model.requests[0].reasoning_effort) == (tokens, reasoning.effort)


async def test_the_native_reasoning_of_the_usable_call_is_part_of_the_result() -> None:
    model = FakeModel(response("no JSON", reasoning="first"), response(json.dumps(GOOD), reasoning="second"))
    found = await CognitiveCore(model).reason(execution_request())
    assert (found.native_reasoning, found.thought) == ("second", "t")


async def test_an_error_keeps_the_reasoning_that_is_known() -> None:
    model = FakeModel(response("no JSON", reasoning="native"))
    with pytest.raises(OutputParseError) as caught:
        await CognitiveCore(model).reason(execution_request())
    assert (caught.value.thought, caught.value.native_reasoning) == ("", "native")
    assert caught.value.usage.total_tokens == 30


OWN = {
    "type": "object",
    "properties": {"cause": {"$ref": "#/$defs/Cause"}},
    "required": ["cause"],
    "$defs": {"Cause": {"const": 'a "text" \\ with\nanything'}},
}


async def test_the_tasks_own_output_is_part_of_the_free_schema_with_its_definitions() -> None:
    own = {"cause": 'a "text" \\ with\nanything'}
    model = FakeModel(GOOD | {"output": own})
    found = await CognitiveCore(model).reason(execution_request(output_schema=OWN))
    assert (found.outputs["output"], found.output_valid) == (own, True)
    asked = model.requests[0]
    assert asked.has_tailored_schema
    assert schema(asked)["$defs"] == OWN["$defs"]
    assert schema(asked)["properties"]["output"] == {name: OWN[name] for name in ("type", "properties", "required")}


async def test_patterns_that_are_not_checked_are_part_of_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OutputSchema, "unchecked", ("(?=a)b",), raising=False)
    model = FakeModel(GOOD | {"output": {}})
    found = await CognitiveCore(model).reason(execution_request(output_schema={"type": "object"}))
    assert found.unchecked_patterns == ("(?=a)b",)
    assert (await CognitiveCore(FakeModel(GOOD)).reason(execution_request())).unchecked_patterns == ()


async def test_an_output_that_breaks_its_schema_twice_is_invalid() -> None:
    with pytest.raises(OutputInvalid, match="/output/cause"):
        await CognitiveCore(FakeModel(GOOD | {"output": {"cause": 1}})).reason(execution_request(output_schema=OWN))


async def test_an_output_whose_schema_has_no_form_is_asked_for_as_any_object() -> None:
    own = {"type": "object", "$dynamicAnchor": "node", "properties": {"next": {"$dynamicRef": "#node"}}}
    model = FakeModel(GOOD | {"output": {}})
    await CognitiveCore(model).reason(execution_request(output_schema=own))
    assert (model.requests[0].output, model.requests[0].json_schema) == ("JSONObject", None)
