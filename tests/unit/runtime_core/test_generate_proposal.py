import asyncio
from dataclasses import dataclass, field

import pytest

from cognitive_runtime.application import GenerateProposal
from cognitive_runtime.domain import (
    AgentConfig,
    AgentRole,
    AgentTask,
    DeadlineExceeded,
    TruncatedResponse,
    VLLMRequest,
    VLLMResponse,
)
from support.fakes.plain_model import PlainModel

CONFIG = AgentConfig("agent-123", AgentRole.DEV, "llama", "http://vllm-server:8000")


@dataclass
class RecordingClient(PlainModel):
    finish_reason: str = "stop"
    delay_s: float = 0.0
    requests: list[VLLMRequest] = field(default_factory=list)

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        return VLLMResponse("a proposal", "agent-123", "DEV", "llama", 0.7, finish_reason=self.finish_reason)


async def asked(task: AgentTask) -> tuple[VLLMRequest, str]:
    client = RecordingClient()
    await GenerateProposal(client, CONFIG)(task)
    (request,) = client.requests
    return request, "\n".join(message.content for message in request.messages)


async def test_the_example_of_the_seed_reaches_the_prompt_whole() -> None:
    task = AgentTask(
        "task-abc-789",
        "Implement a binary search tree in Python",
        constraints={"language": "python", "timeout": 120},
    )
    request, prompt = await asked(task)
    assert task.task_description in prompt
    assert '"language": "python"' in prompt
    assert "timeout" not in prompt
    assert "software developer" in prompt
    assert (request.model, request.temperature, request.max_tokens) == ("llama", 0.7, 2048)
    assert request.request_id == "task-abc-789"


async def test_rubric_requirements_and_context_reach_the_prompt_and_identifiers_do_not() -> None:
    constraints = {
        "rubric": "clarity 40%",
        "requirements": ["tests", "types"],
        "context": "Il s'agit d'un système existant.",
        "metadata": {"task_id": "internal-1"},
        "story_id": "internal-2",
        "plan_id": "internal-3",
        "max_retries": 3,
        "style": "功能性",
    }
    _, prompt = await asked(AgentTask("t", "d", constraints=constraints))
    for expected in ("clarity 40%", "- tests\n- types", "Il s'agit d'un système existant.", "功能性"):
        assert expected in prompt
    for hidden in ("internal-", "max_retries"):
        assert hidden not in prompt


async def test_diversity_changes_temperature_and_prompt() -> None:
    plain, plain_prompt = await asked(AgentTask("t", "d"))
    diverse, diverse_prompt = await asked(AgentTask("t", "d", diversity=True))
    assert diverse.temperature == pytest.approx(0.91)
    assert plain.temperature == 0.7
    assert diverse_prompt != plain_prompt


async def test_a_part_beyond_its_bound_is_cut() -> None:
    _, prompt = await asked(AgentTask("t", "d", constraints={"rubric": "x" * 100_000}))
    assert "x" * 16_384 in prompt
    assert "x" * 16_385 not in prompt


async def test_a_truncated_proposal_is_a_failure() -> None:
    with pytest.raises(TruncatedResponse, match="2048"):
        await GenerateProposal(RecordingClient("length"), CONFIG)(AgentTask("t", "d"))


async def test_the_constraint_timeout_is_the_deadline() -> None:
    with pytest.raises(DeadlineExceeded):
        await GenerateProposal(RecordingClient(delay_s=5), CONFIG)(AgentTask("t", "d", constraints={"timeout": 0.02}))
