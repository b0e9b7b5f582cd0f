"""An outcome tells what the client has learnt about the models of its request, and their thinking."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.domain import AgentResult, ExecutionRequest
from support.builders.runtime_requests import execution_request
from support.servers.http_double import HttpDouble, Reply

pytestmark = pytest.mark.component
OUTPUTS = {"thought": "The probe fails.", "proposed_solution": "Raise its limit.", "confidence_score": 0.5}


def judge(_method: str, _path: str, body: Any) -> Reply:
    """Refuse a temperature as OpenAI does for its reasoning models."""
    if "temperature" in body:
        error = {"message": "Unsupported parameter: 'temperature' is not supported with this model."}
        return Reply(400, json={"error": error | {"param": "temperature", "code": "unsupported_parameter"}})
    message = {"role": "assistant", "content": json.dumps(OUTPUTS)}
    return Reply(json={"choices": [{"message": message, "finish_reason": "stop"}]})


async def execute(request: ExecutionRequest) -> AgentResult:
    """Execute an attempt in a process of its own: nothing is known before."""
    pool = ModelPool(lambda agent_uid, name: "key")
    outcome = await ExecuteAgentTask(CognitiveCore(pool), SystemClock())(request, worker="w", submission_id="s")
    await pool.close()
    assert isinstance(outcome, AgentResult), outcome
    return outcome


async def test_what_one_attempt_learns_saves_the_next_ones_refused_call() -> None:
    async with HttpDouble().serve() as server:
        server.answer_by(judge)
        request = execution_request(endpoint=f"{server.url}/v1?key=secret", llm={"temperature": 0.5})

        first = await execute(request)
        assert ["temperature" in asked.json for asked in server.asked] == [True, False]
        (learnt,) = first.learnt
        assert (learnt.endpoint, learnt.model) == (f"{server.url}/v1", "scripted")
        assert learnt.refused == {"temperature"}

        server.asked.clear()
        llm = replace(request.agent.llm, learnt=first.learnt)
        second = await execute(replace(request, agent=replace(request.agent, llm=llm)))
        assert ["temperature" in asked.json for asked in server.asked] == [False]
        assert second.learnt == first.learnt


async def test_the_models_own_thinking_is_the_reasoning_of_the_result_and_the_typed_thought_costs_energy() -> None:
    def think(_method: str, _path: str, _body: Any) -> Reply:
        message = {"role": "assistant", "content": json.dumps(OUTPUTS), "reasoning_content": "é" * 5000}
        details = {"completion_tokens_details": {"reasoning_tokens": 40}}
        usage = {"prompt_tokens": 100, "completion_tokens": 60, "total_tokens": 160} | details
        return Reply(json={"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})

    async with HttpDouble().serve() as server:
        server.answer_by(think)
        outcome = await execute(execution_request(endpoint=server.url))
    assert outcome.reasoning == "é" * 5000
    assert outcome.usage.reasoning_tokens == 40
    assert outcome.energy_delta == pytest.approx(0.01 * len("The probe fails."))
