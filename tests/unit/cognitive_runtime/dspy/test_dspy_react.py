"""DSPy's ReAct on the core's model: its calls are counted, and end with the budget or a full context."""

import asyncio
import json

import dspy
import pytest

from cognitive_runtime.domain import BudgetExceeded, ContextLengthExceeded, VLLMRequest
from support.builders.cores import core_of
from support.fakes.model_client import Answer, FakeModel


def pods(namespace: str) -> list[str]:
    """List the pods of a namespace."""
    return [f"web-0 in {namespace}"]


async def logs(pod: str) -> str:
    """Read the logs of a pod."""
    await asyncio.sleep(0)
    return f"OOMKilled {pod}"


def acting(request: VLLMRequest) -> Answer:
    """Answer as an agent that calls both tools, then finishes and answers."""
    if "next_tool_name" not in json.dumps(request.json_schema):
        return {"reasoning": "r", "answer": "raise the limit"}
    seen = request.messages[-1].content
    if "OOMKilled" in seen:
        return {"next_thought": "done", "next_tool_name": "finish", "next_tool_args": {}}
    if "web-0" in seen:
        return {"next_thought": "logs", "next_tool_name": "logs", "next_tool_args": {"pod": "web-0"}}
    return {"next_thought": "pods", "next_tool_name": "pods", "next_tool_args": {"namespace": "shop"}}


async def test_react_calls_two_tools_and_its_calls_are_counted() -> None:
    model = FakeModel(by=acting)
    react = dspy.ReAct("question -> answer", tools=[pods, logs])
    found = await core_of(model).run_module(react, {"question": "why?"})
    assert found.result.answer == "raise the limit"
    assert found.result.trajectory["observation_0"] == ["web-0 in shop"]
    assert found.result.trajectory["observation_1"] == "OOMKilled web-0"
    assert len(model.requests) == 4
    assert found.usage.total_tokens == 60
    assert found.answered_by is not None


async def test_react_ends_with_the_budget() -> None:
    model = FakeModel(by=acting)
    react = dspy.ReAct("question -> answer", tools=[pods, logs])
    with pytest.raises(BudgetExceeded) as caught:
        await core_of(model).run_module(react, {"question": "why?"}, token_budget=520)
    assert 1 <= len(model.requests) < 4
    assert caught.value.usage.total_tokens == 15 * len(model.requests)


async def test_react_shortens_its_trajectory_if_the_context_is_full() -> None:
    full = [ContextLengthExceeded("too long")]

    def answer(request: VLLMRequest) -> Answer:
        if "OOMKilled" in request.messages[-1].content and full:
            return full.pop()
        return acting(request)

    model = FakeModel(by=answer)
    react = dspy.ReAct("question -> answer", tools=[pods, logs])
    found = await core_of(model).run_module(react, {"question": "why?"})
    assert found.result.answer == "raise the limit"
