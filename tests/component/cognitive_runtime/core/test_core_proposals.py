"""Proposals from a request of the wire to the model server."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool, VLLMHTTPClient
from cognitive_runtime.adapters.wire import parse_request
from cognitive_runtime.application import ExecuteAgentTask, GenerateProposal
from cognitive_runtime.domain import AgentConfig, AgentTask, CognitiveTaskType, ModelTimeout, ModelUnavailable
from support.builders.runtime_requests import Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
REQUEST = Path(__file__).parents[3] / "contract" / "wire" / "request_proposal.json"
PROPOSAL = CognitiveTaskType.PROPOSAL
INPUT = {"task_description": "Speed up the cart.", "diversity": True}
REFUSED = {"message": "Unsupported value: 'temperature' does not support 1.3 with this model.", "param": "temperature"}


def body(model: ScriptedModel, number: int) -> dict[str, Any]:
    return model.requests[number].body


async def test_the_golden_request_is_answered_in_free_text(model: ScriptedModel, pool: ModelPool) -> None:
    found = json.loads(REQUEST.read_bytes())
    found["agent"]["llm"] |= {"endpoint": model.url, "api_key_file": None}
    model.script(content="Begin with the data.")
    execute = ExecuteAgentTask(CognitiveCore(pool), SystemClock())
    outcome = completed(await execute(parse_request(json.dumps(found).encode()), worker="w", submission_id="s"))
    assert outcome.result == {"proposal": "Begin with the data."}
    assert (outcome.confidence, outcome.confidence_reason) == (None, "a proposal states no confidence")
    sent = body(model, 0)
    system, user = (message["content"] for message in sent["messages"])
    assert found["agent"]["system_prompt"] in system
    assert found["constraints"]["rubric"] in system
    assert found["input"]["task_description"] in user
    assert "response_format" not in sent


async def test_a_server_that_refuses_a_temperature_gets_a_seed_instead(run: Run, model: ScriptedModel) -> None:
    model.script(status=400, error=REFUSED, times=1)
    model.script(content="A proposal.")
    llm = {"temperature": 1.0}
    completed(await run(PROPOSAL, input=INPUT, llm=llm))
    first, second = body(model, 0), body(model, 1)
    assert (first["temperature"], "seed" in first) == (1.3, False)
    assert ("temperature" in second, isinstance(second["seed"], int)) == (False, True)
    assert first["messages"] == second["messages"]
    completed(await run(PROPOSAL, input=INPUT, llm=llm, attempt=2))
    third = body(model, 2)
    assert ("temperature" in third, third["seed"] == second["seed"]) == (False, False)
    completed(await run(PROPOSAL, input=INPUT | {"diversity": False}, llm=llm))
    assert "seed" not in body(model, 3)


async def test_a_server_that_refuses_a_seed_too_is_asked_without_it(run: Run, model: ScriptedModel) -> None:
    model.script(status=400, error=REFUSED, times=1)
    model.script(status=400, error={"message": "Unknown parameter: 'seed'.", "param": "seed"}, times=1)
    model.script(content="A proposal.")
    outcome = completed(await run(PROPOSAL, input=INPUT))
    assert "seed" not in body(model, 2)
    assert outcome.learnt[0].refused == frozenset({"temperature", "seed"})


@pytest.mark.parametrize(("retries", "calls"), [(0, 1), (1, 2)])
async def test_max_retries_of_the_constraints_count_more_than_those_of_the_agent(
    run: Run, model: ScriptedModel, retries: int, calls: int
) -> None:
    model.script(status=503)
    llm = {"max_retries": 3, "retry_delay_seconds": 0.0}
    outcome = failed(await run(PROPOSAL, input=INPUT, llm=llm, constraints={"max_retries": retries}))
    assert (outcome.error_type, len(model.requests)) == ("ModelUnavailable", calls)


async def test_max_retries_and_timeout_of_an_agent_config_have_their_effect(model: ScriptedModel) -> None:
    config = AgentConfig("a", "DEV", "scripted", model.url, timeout=0.2)
    generate = GenerateProposal(VLLMHTTPClient(model.url, "a", "DEV", "scripted"), config)
    model.script(status=503, times=1)
    with pytest.raises(ModelUnavailable):
        await generate(AgentTask("t", "d", constraints={"timeout": 5, "max_retries": 0}))
    assert len(model.requests) == 1
    model.script(hang=True)
    with pytest.raises(ModelTimeout):
        await generate(AgentTask("t", "d", constraints={"timeout": 5, "max_retries": 0}))


async def test_a_proposal_is_cached_unless_it_has_diversity(model: ScriptedModel, pool: ModelPool) -> None:
    from cognitive_runtime.cognitive_core import CognitiveContext, LLMConfig
    from cognitive_runtime.cognitive_core import CognitiveCore as LibraryCore

    core = LibraryCore(config=LLMConfig(provider="openaiCompatible", model="scripted", api_base=model.url))
    model.script(content="A proposal.")
    plain = CognitiveContext("a", PROPOSAL, INPUT | {"diversity": False})
    assert [core(plain)["cache_hit"] for _ in range(2)] == [False, True]
    assert [core(CognitiveContext("a", PROPOSAL, INPUT))["cache_hit"] for _ in range(2)] == [False, False]
