"""Custom types from a request of the wire to the model server, and the same in Python, byte for byte."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.adapters.wire import parse_request
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveTaskType, LLMConfig
from cognitive_runtime.cognitive_core import CognitiveCore as LibraryCore
from cognitive_runtime.domain import AgentResult, ExecutionRequest, FailureResult
from support.builders.runtime_requests import completed, failed
from support.builders.signatures import ANSWER, manifest, snapshot
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
REQUEST = Path(__file__).parents[3] / "contract" / "wire" / "request.json"
INPUT = {"ticket": "The cart is slow: „très lent“, 慢い.", "affected_users": 12}
CONTEXT = {"memory": {"memory_writes": 3}}
WHOLE = {"reasoning": "The cache is cold."} | ANSWER


def wire_request(model: ScriptedModel, **changes: Any) -> ExecutionRequest:
    """Return the request as a worker reads it from the broker."""
    found = json.loads(REQUEST.read_bytes())
    llm = {"provider": "openaiCompatible", "model": "scripted", "endpoint": model.url, "api_key_file": None}
    sampling = {"max_tokens": 1024, "temperature": 0.7, "top_p": 1.0, "max_retries": 0, "timeout_seconds": 5}
    own: dict[str, Any] = {"cache": {"enabled": False}, "rate_limit": None, "fallbacks": [], "stream": False}
    own |= {"frequency_penalty": 0.0, "presence_penalty": 0.0}
    agent = {"role": "DEV", "role_probabilities": None, "system_prompt": "Answer as the support of a shop."}
    found["agent"] = found["agent"] | agent | {"llm": found["agent"]["llm"] | llm | sampling | own}
    custom: dict[str, Any] = {
        "task_type": "custom",
        "signature": snapshot(),
        "input": INPUT,
        "context": CONTEXT,
        "constraints": {},
    }
    custom["output_schema"] = None
    return parse_request(json.dumps(found | custom | changes).encode())


async def executed(pool: ModelPool, request: ExecutionRequest) -> AgentResult | FailureResult:
    execute = ExecuteAgentTask(CognitiveCore(pool), SystemClock())
    return await execute(request, worker="w1", submission_id="s1")


async def test_a_request_of_the_wire_is_answered(model: ScriptedModel, pool: ModelPool) -> None:
    model.script(content=json.dumps(WHOLE), times=1)
    outcome = completed(await executed(pool, wire_request(model)))
    assert outcome.result == ANSWER
    assert (outcome.task_type, outcome.confidence, outcome.reasoning) == ("custom", 0.8, "The cache is cold.")
    assert outcome.energy_delta == pytest.approx(0.01 * len("The cache is cold."))
    assert outcome.usage.total_tokens > 0


@pytest.mark.parametrize("module", ["Predict", "ChainOfThought", "ReAct"])
async def test_python_and_the_wire_send_the_same_bytes(
    model: ScriptedModel, pool: ModelPool, tmp_path: Path, module: str
) -> None:
    path = tmp_path / "signature.yaml"
    path.write_text(yaml.safe_dump(manifest(module=module), allow_unicode=True))
    config = LLMConfig(
        provider="openaiCompatible",
        model="scripted",
        api_base=model.url,
        system_prompt="Answer as the support of a shop.",
        max_retries=0,
        enable_caching=False,
    )
    core = LibraryCore(config=config)
    core.register_signature(path)
    context = CognitiveContext("a", "triage", INPUT, memory_context=CONTEXT["memory"])  # type: ignore[arg-type]
    step = {"next_thought": "Done.", "next_tool_name": "finish", "next_tool_args": {}}
    model.script(contains="- next_tool_name", content=json.dumps(step))
    outcome = completed(await executed(pool, wire_request(model, signature=snapshot(module=module))))
    of_wire = [each.body for each in model.requests]
    model.requests.clear()
    result = core(context)
    of_python = [each.body for each in model.requests]
    assert len(of_wire) == (2 if module == "ReAct" else 1)
    assert json.dumps(of_python, ensure_ascii=False).encode() == json.dumps(of_wire, ensure_ascii=False).encode()
    assert {name: result[name] for name in outcome.result} == outcome.result


async def test_a_bound_that_the_answer_violates_is_repaired_and_then_refused(
    model: ScriptedModel, pool: ModelPool
) -> None:
    model.script(content=json.dumps(WHOLE | {"score": 11}), times=1)
    model.script(content=json.dumps(WHOLE), times=1)
    assert completed(await executed(pool, wire_request(model))).repaired
    assert "score: input should be less than or equal to 10" in model.requests[1].body["messages"][-1]["content"]
    model.script(content=json.dumps(WHOLE | {"score": 11}))
    outcome = failed(await executed(pool, wire_request(model)))
    assert (outcome.error_type, outcome.retryable) == ("OutputParseError", True)
    assert outcome.error.startswith("The answer is not a valid triage, after one repair: score: ")


async def test_budget_and_deadline_hold_for_a_custom_type(model: ScriptedModel, pool: ModelPool) -> None:
    small = failed(await executed(pool, wire_request(model, token_budget=20)))
    assert small.error_type == "BudgetExceeded"
    model.script(hang=True)
    late = failed(await executed(pool, wire_request(model, timeout_seconds=0.2)))
    assert late.error_type == "DeadlineExceeded"


async def test_an_input_that_does_not_match_is_an_invalid_request(model: ScriptedModel, pool: ModelPool) -> None:
    outcome = failed(await executed(pool, wire_request(model, input={"ticket": ["secret"]})))
    assert (outcome.error_type, outcome.retryable) == ("InvalidRequest", False)
    assert outcome.error == "input.ticket must be a text (signature triage)."
    assert not model.requests


async def test_a_result_is_cached_by_the_content_of_its_signature(model: ScriptedModel) -> None:
    config = LLMConfig(provider="openaiCompatible", model="scripted", api_base=model.url)
    core = LibraryCore(config=config)
    context = CognitiveContext("a", "triage", INPUT)  # type: ignore[arg-type]
    core.register_signature(manifest())
    assert [core(context)["cache_hit"] for _ in range(2)] == [False, True]
    core.register_signature(manifest(instructions="Other."))
    assert core(context)["cache_hit"] is False


async def test_a_proposal_in_python_is_a_text(model: ScriptedModel) -> None:
    core = LibraryCore(config=LLMConfig(provider="openaiCompatible", model="scripted", api_base=model.url))
    model.script(content="1. Measure.")
    result = core(CognitiveContext("a", CognitiveTaskType.PROPOSAL, {"task_description": "Speed up the cart."}))
    assert (result["success"], result["proposal"], result["confidence"]) == (True, "1. Measure.", None)
