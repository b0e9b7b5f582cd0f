"""The adapter: messages, types of a signature, tools, room of an answer, repair."""

import asyncio
import json
from enum import Enum
from typing import Any, Literal

import dspy
import pytest
from pydantic import BaseModel

from cognitive_runtime.adapters.dspy import CognitiveCore, JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.engine import AttemptLM
from cognitive_runtime.adapters.dspy.model import AttemptModel
from cognitive_runtime.adapters.dspy.output_schema import OutputSchema
from cognitive_runtime.domain import (
    CognitiveTaskType,
    Demonstration,
    InvalidRequest,
    OutputInvalid,
    OutputParseError,
    ReasoningSettings,
    ToolCall,
    TruncatedResponse,
    Usage,
    VLLMRequest,
)
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import FakeModel, prompt, response

FAILURE = CognitiveTaskType.FAILURE_ANALYSIS
GOOD = {"thought": "t", "proposed_solution": "p", "confidence_score": 0.5}
CUT = response('{"thought": "cut of', finish_reason="length")


class Level(Enum):
    LOW = "low"
    HIGH = "high"


class Step(BaseModel):
    title: str
    minutes: int | None = None


class Plan(dspy.Signature):
    """Plan a change."""

    change: Any = dspy.InputField(desc="The change.")
    steps: list[Step] = dspy.OutputField(desc="The steps.")
    level: Level = dspy.OutputField(desc="The risk.")
    kind: Literal["rolling", "recreate"] = dspy.OutputField()
    owners: dict[str, list[str]] = dspy.OutputField()
    note: str | None = dspy.OutputField()


PLAN = {
    "steps": [{"title": "drain", "minutes": 5}, {"title": 'say "done" \\ \n'}],
    "level": "high",
    "kind": "rolling",
    "owners": {"sre": ["ann", "bo"]},
    "note": None,
}


async def predicted(signature: Any, model: FakeModel, adapter: Any = None, **inputs: Any) -> dspy.Prediction:
    config = inputs.pop("config", {})
    attempt = AttemptModel(model, execution_request().agent.llm, "uid.1")
    lm = AttemptLM(attempt, asyncio.get_running_loop())
    with dspy.context(lm=lm, adapter=adapter or JSONAnswerAdapter(), trace=None):
        return await dspy.Predict(signature).acall(config=config, **inputs)


def schema(request: VLLMRequest) -> dict[str, Any]:
    assert request.json_schema is not None
    return request.json_schema


async def test_any_type_of_a_signature_is_asked_for_and_typed() -> None:
    model = FakeModel(PLAN)
    found = await predicted(Plan, model, change=Step(title="upgrade"))
    assert found.steps == [Step(title="drain", minutes=5), Step(title='say "done" \\ \n')]
    assert (found.level, found.kind, found.owners, found.note) == (Level.HIGH, "rolling", {"sre": ["ann", "bo"]}, None)
    assert set(schema(model.requests[0])["properties"]) == set(PLAN)
    assert json.loads(model.requests[0].messages[-1].content) == {"change": {"title": "upgrade", "minutes": None}}


async def test_an_answer_of_another_type_is_repaired() -> None:
    model = FakeModel(PLAN | {"kind": "sideways"}, PLAN)
    assert (await predicted(Plan, model, change="c")).kind == "rolling"
    assert "kind" in model.requests[1].messages[-1].content
    assert "sideways" in model.requests[1].messages[-2].content


async def test_demonstrations_and_history_are_messages_before_the_question() -> None:
    signature = dspy.ensure_signature("question, history: dspy.History -> answer")
    model = FakeModel({"answer": "4"})
    history = dspy.History(messages=[{"question": "1+2?", "answer": "3"}])
    predict = dspy.Predict(signature)
    predict.demos = [{"question": "1+1?", "answer": "2"}]
    lm = AttemptLM(AttemptModel(model, execution_request().agent.llm, "uid.1"), asyncio.get_running_loop())
    with dspy.context(lm=lm, adapter=JSONAnswerAdapter(), trace=None):
        await predict.acall(question="2+2?", history=history)
    told = [(each.role, each.content) for each in model.requests[0].messages[1:]]
    pairs = [("1+1?", "2"), ("1+2?", "3")]
    expected = [
        (role, json.loads(text))
        for question, answer in pairs
        for role, text in (("user", json.dumps({"question": question})), ("assistant", json.dumps({"answer": answer})))
    ]
    assert [(role, json.loads(text)) for role, text in told] == [*expected, ("user", {"question": "2+2?"})]


async def test_arguments_of_a_call_reach_the_model_and_unknown_ones_are_refused_by_name() -> None:
    model = FakeModel({"answer": "4"})
    config = {"temperature": 0.3, "max_tokens": 77, "stop": ["X"], "extra_body": {"min_p": 0.1}, "n": 2}
    found = await predicted("question -> answer", model, question="q", config=config)
    assert len(found.completions) == len(model.requests) == 2
    (asked, _) = model.requests
    assert (asked.temperature, asked.max_tokens, asked.extra_body) == (0.3, 77, {"stop": ["X"], "min_p": 0.1})
    with pytest.raises(Exception, match="colour"):
        await predicted("question -> answer", model, question="q", config={"colour": 1})


def look(place: str) -> str:
    """Look at a place."""
    return place


TOOLS = dspy.ensure_signature("question, tools: list[dspy.Tool] -> answer: str | None, calls: dspy.ToolCalls")


async def test_tools_are_called_natively_if_the_adapter_says_so() -> None:
    model = FakeModel(response("", tool_calls=(ToolCall("c1", "look", '{"place": "p"}'),), finish_reason="tool_calls"))
    adapter = JSONAnswerAdapter(use_native_function_calling=True)
    found = await predicted(TOOLS, model, adapter, question="q", tools=[dspy.Tool(look)])
    (call,) = found.calls.tool_calls
    assert (call.id, call.name, call.args) == ("c1", "look", {"place": "p"})
    (tool,) = model.requests[0].tools
    assert tool["function"]["name"] == "look"
    assert model.requests[0].output == "Text"


async def test_tools_are_described_in_the_prompt_otherwise() -> None:
    model = FakeModel({"answer": None, "calls": {"tool_calls": [{"name": "look", "args": {"place": "p"}}]}})
    found = await predicted(TOOLS, model, question="q", tools=[dspy.Tool(look)])
    assert found.calls.tool_calls[0].args == {"place": "p"}
    assert "Look at a place" in prompt(model.requests[0])
    assert model.requests[0].tools == ()


async def test_a_picture_is_refused_by_the_name_of_its_input() -> None:
    model = FakeModel({"answer": "a"})
    with pytest.raises(TypeError, match="picture: only text"):
        await predicted("picture: dspy.Image -> answer", model, picture=dspy.Image(url="http://x/y.png"))
    assert not model.requests


async def test_unpaired_surrogates_do_not_stop_a_call() -> None:
    model = FakeModel({"answer": "a"})
    await predicted("question -> answer", model, question="a\ud800b")
    assert json.loads(model.requests[0].messages[-1].content) == {"question": "a\ufffdb"}


def called(*arguments: dict[str, Any]) -> Any:
    calls = tuple(ToolCall(f"c{number}", "answer", json.dumps(each)) for number, each in enumerate(arguments))
    return response("", tool_calls=calls, finish_reason="tool_calls")


async def test_an_answer_in_the_call_of_a_tool_that_is_not_there_is_read() -> None:
    model = FakeModel(called(GOOD))
    found = await CognitiveCore(model).reason(execution_request())
    assert (found.outputs, len(model.requests)) == (GOOD, 1)


@pytest.mark.parametrize("arguments", [({"place": "p"},), (GOOD, GOOD), ({},)])
async def test_other_calls_of_tools_that_are_not_there_are_no_answer(arguments: tuple[dict[str, Any], ...]) -> None:
    model = FakeModel(called(*arguments), GOOD)
    found = await CognitiveCore(model).reason(execution_request())
    assert (found.outputs, found.repaired, len(model.requests)) == (GOOD, True, 2)


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
