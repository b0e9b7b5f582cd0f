"""The seed's own client against a scripted model server."""

import asyncio
import pickle

import pytest

from cognitive_runtime.adapters.model import RetryPolicy, VLLMHTTPClient
from cognitive_runtime.application import GenerateProposal
from cognitive_runtime.domain import (
    AgentConfig,
    AgentRole,
    AgentTask,
    Message,
    ModelUnavailable,
    VLLMRequest,
)
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
REQUEST = VLLMRequest("llama", (Message("system", "s"), Message("user", "u")), temperature=0.7)


def client(model: ScriptedModel) -> VLLMHTTPClient:
    return VLLMHTTPClient(vllm_url=model.url, agent_id="agent-123", role=str(AgentRole.DEV), model="llama")


async def test_an_answer_names_its_author(model: ScriptedModel) -> None:
    model.script(content="a proposal")
    response = await client(model).generate(REQUEST)
    assert response.to_dict() == {
        "content": "a proposal",
        "author_id": "agent-123",
        "author_role": "DEV",
        "model": "llama",
        "temperature": 0.7,
        "tokens": response.usage.total_tokens,
    }
    assert model.requests[0].body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
    ]
    assert "response_format" not in model.requests[0].body


def test_it_works_from_one_event_loop_after_another(model: ScriptedModel) -> None:
    found = client(model)
    for _ in range(2):
        assert asyncio.run(found.generate(REQUEST)).content == "scripted answer"


async def test_it_survives_pickling_as_ray_does_it(model: ScriptedModel) -> None:
    copied: VLLMHTTPClient = pickle.loads(pickle.dumps(client(model)))
    assert (await copied.generate(REQUEST)).content == "scripted answer"


async def test_failures_are_retried_and_then_raised(model: ScriptedModel) -> None:
    model.script(status=503)
    retry = RetryPolicy(max_retries=2, first_delay_s=0.001)
    with pytest.raises(ModelUnavailable, match="503"):
        await VLLMHTTPClient(model.url, "a", "DEV", "llama", retry=retry).generate(REQUEST)
    assert len(model.requests) == 3


async def test_a_proposal_goes_all_the_way(model: ScriptedModel) -> None:
    config = AgentConfig("agent-123", AgentRole.DEV, "llama", model.url)
    task = AgentTask("task-abc-789", "Implement a binary search tree", constraints={"language": "python"})
    proposal = await GenerateProposal(client(model), config)(task)
    assert proposal.author_role == "DEV"
    assert model.executions == {"task-abc-789": 1}
