import asyncio
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

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


async def test_a_requirement_of_any_form_reaches_the_prompt_with_its_values() -> None:
    constraints = {"requirements": {"latency": "10 ms"}, "rubric": {"clarity": 0.4}, "since": date(2026, 11, 27)}
    _, prompt = await asked(AgentTask("t", "d", constraints=constraints))
    for expected in ('- {"latency": "10 ms"}', '{"clarity": 0.4}', '{"since": "2026-11-27"}'):
        assert expected in prompt


async def test_a_temperature_with_diversity_stays_in_its_range() -> None:
    client = RecordingClient()
    await GenerateProposal(client, replace(CONFIG, temperature=1.8))(AgentTask("t", "d", diversity=True))
    assert client.requests[0].temperature == 2.0


async def test_diversity_varies_seed_and_instruction_by_task_and_repeats_them_for_the_same_task() -> None:
    found = [await asked(AgentTask(f"task-{number}", "d", diversity=True)) for number in range(12)]
    assert len({request.diversity_seed for request, _ in found}) == 12
    assert len({prompt for _, prompt in found}) > 3
    assert await asked(AgentTask("task-0", "d", diversity=True)) == found[0]
    assert (await asked(AgentTask("task-0", "d")))[0].diversity_seed is None


async def test_the_timeout_of_the_agent_limits_a_task_without_its_own_and_each_call() -> None:
    client = RecordingClient(delay_s=5)
    with pytest.raises(DeadlineExceeded, match=r"0\.02 s"):
        await GenerateProposal(client, replace(CONFIG, timeout=0.02))(AgentTask("t", "d"))
    assert client.requests[0].timeout_s == 0.02


async def test_max_retries_reach_the_client() -> None:
    request, _ = await asked(AgentTask("t", "d", constraints={"max_retries": 0}))
    other, _ = await asked(AgentTask("t", "d"))
    assert (request.max_retries, other.max_retries) == (0, None)


@pytest.mark.parametrize(
    ("constraints", "said"),
    [
        ({"timeout": 0}, "constraints.timeout"),
        ({"timeout": "soon"}, "constraints.timeout"),
        ({"timeout": [1]}, "constraints.timeout"),
        ({"max_retries": -1}, "constraints.max_retries"),
        ({"max_retries": 1.5}, "constraints.max_retries"),
        ({"max_retries": True}, "constraints.max_retries"),
    ],
)
def test_a_constraint_out_of_range_is_refused_by_name(constraints: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AgentTask("t", "d", constraints=constraints)


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("DEV", "software developer"),
        ("QA", "quality engineer"),
        ("ARCHITECT", "software architect"),
        ("DEVOPS", "operations engineer"),
        ("DATA", "data engineer"),
        ("release captain", "an expert in the role release captain"),
    ],
)
async def test_every_role_resolves_into_the_prompt(role: str, said: str) -> None:
    client = RecordingClient()
    await GenerateProposal(client, replace(CONFIG, role=role))(AgentTask("t", "d"))
    assert said in client.requests[0].messages[0].content
