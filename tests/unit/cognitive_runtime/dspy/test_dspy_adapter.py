"""DSPy's adapter on the model client: messages, types of a signature, tools and repair."""

import asyncio
import json
from enum import Enum
from typing import Any, Literal

import dspy
import pytest
from pydantic import BaseModel

from cognitive_runtime.adapters.dspy import CognitiveCore, JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.calls.engine import AttemptLM
from cognitive_runtime.adapters.dspy.calls.model import AttemptModel
from cognitive_runtime.domain import ToolCall
from support.builders.answers import GOOD
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import FakeModel, prompt, response, schema


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
