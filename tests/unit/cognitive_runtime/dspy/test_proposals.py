"""Requests for proposals: ``ExecuteAgentTask`` reaches ``GenerateProposal`` with the settings of the agent."""

import asyncio
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.dspy.proposals import proposal_task, proposal_version
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.domain import (
    AgentResult,
    AgentTask,
    CognitiveTaskType,
    ExecutionRequest,
    FailureResult,
    InvalidRequest,
    StructuredOutput,
    Usage,
)
from support.builders.runtime_requests import completed, execution_request, failed
from support.fakes.model_client import FakeModel, prompt, response

INPUT = {"task_description": "Speed up the cart.", "context": "It runs in eu-west.", "diversity": False}
TEXT = "1. Measure the cart."


def request(given: dict[str, Any] | None = None, **fields: Any) -> ExecutionRequest:
    return execution_request(CognitiveTaskType.PROPOSAL, input=INPUT if given is None else given, **fields)


async def executed(model: FakeModel, asked: ExecutionRequest) -> AgentResult | FailureResult:
    execute = ExecuteAgentTask(CognitiveCore(model), SystemClock())
    return await execute(asked, worker="w1", submission_id="s1")


async def test_a_proposal_is_the_text_of_the_model_and_states_no_confidence() -> None:
    model = FakeModel(response(TEXT, reasoning="Caches."))
    outcome = completed(await executed(model, request()))
    assert outcome.result == {"proposal": TEXT}
    assert (outcome.confidence, outcome.confidence_reason) == (None, "a proposal states no confidence")
    assert (outcome.task_type, outcome.usage.total_tokens, outcome.reasoning) == ("proposal", 15, "Caches.")
    assert outcome.energy_delta == pytest.approx(0.01 * len("Caches."))
    assert outcome.endpoint == "http://model.test/v1"


async def test_task_role_system_prompt_context_and_all_constraints_reach_the_prompt() -> None:
    model = FakeModel(TEXT)
    constraints = {
        "rubric": "clarity 40%",
        "requirements": ["tests", "types"],
        "language": "python",
        "style": {"indent": 4},
        "timeout": 9,
        "max_retries": 2,
        "metadata": {"task_id": "internal-1"},
        "story_id": "internal-2",
    }
    memory = {"memory": {"memory_writes": 7}, "energy": {"cognitive_cost": 1.5}, "lifecycle": {"tasks_processed": 3}}
    agent = {"role": "ARCHITECT", "system_prompt": "Answer for the shop.", "role_probabilities": {"E": 0.7}}
    await executed(model, request(constraints=constraints, context=memory, agent=agent))
    found = prompt(model.requests[0])
    for expected in (
        "a senior software architect",
        "Answer for the shop.",
        "The task:\nSpeed up the cart.",
        "Its context:\nIt runs in eu-west.",
        "this rubric:\nclarity 40%",
        "- tests\n- types",
        '{"language": "python", "style": {"indent": 4}}',
        '"memory_writes": 7',
        '"cognitive_cost": 1.5',
        '"tasks_processed": 3',
        '(O):\n{"E": 0.7}',
    ):
        assert expected in found
    for hidden in ("internal-", "max_retries", "timeout"):
        assert hidden not in found


async def test_a_call_has_the_settings_of_the_agent() -> None:
    model = FakeModel(TEXT)
    form: StructuredOutput = "Schema"
    llm = {"temperature": None, "top_p": 0.5, "max_tokens": 77, "presence_penalty": 0.5, "structured_output": form}
    await executed(model, request(llm=llm, constraints={"max_retries": 4}))
    (asked,) = model.requests
    assert (asked.temperature, asked.top_p, asked.max_tokens, asked.presence_penalty) == (None, 0.5, 77, 0.5)
    assert (asked.output, asked.json_schema, asked.max_retries, asked.request_id) == ("Text", None, 4, "0b9c6f0a.1")


async def test_diversity_raises_the_temperature_and_has_a_seed_for_each_attempt() -> None:
    model = FakeModel(TEXT)
    for attempt in (1, 2):
        await executed(model, request(INPUT | {"diversity": True}, attempt=attempt, llm={"temperature": 1.0}))
    first, second = model.requests
    assert (first.temperature, second.temperature) == (1.3, 1.3)
    assert first.diversity_seed != second.diversity_seed


@pytest.mark.parametrize(
    ("given", "fields", "said"),
    [
        ({}, {}, "input: proposal needs task_description"),
        ({"task_description": " "}, {}, "input: proposal needs task_description"),
        ({"task_description": 5}, {}, "input: proposal needs task_description"),
        (INPUT | {"diversity": "yes"}, {}, "input.diversity must be true or false"),
        (INPUT | {"colour": "red"}, {}, "input.colour is unknown; a proposal has task_description, context, diversity"),
        (INPUT, {"constraints": {"max_retries": "many"}}, "constraints.max_retries: must be a whole number"),
        (INPUT, {"constraints": {"timeout": -1}}, "constraints.timeout: must be a number of seconds"),
    ],
)
async def test_an_invalid_request_is_refused_by_field_without_a_call(
    given: dict[str, Any], fields: dict[str, Any], said: str
) -> None:
    model = FakeModel(TEXT)
    outcome = failed(await executed(model, request(given, **fields)))
    assert outcome.error_type == "InvalidRequest"
    assert said in outcome.error
    assert model.calls == 0


def test_a_proposal_has_no_output_schema() -> None:
    with pytest.raises(InvalidRequest, match="output_schema must be absent for the type proposal"):
        request(output_schema={"type": "object"})


async def test_a_context_that_is_no_text_is_shown_as_json() -> None:
    assert proposal_task(request(INPUT | {"context": {"region": "eu"}})).context == '{"region": "eu"}'


async def test_the_constraint_timeout_and_the_limit_of_the_attempt_end_a_proposal() -> None:
    for fields in ({"constraints": {"timeout": 0.05}}, {"timeout_seconds": 0.05}):
        model = FakeModel(TEXT)
        model.hangs_from = 1
        async with asyncio.timeout(5):
            outcome = failed(await executed(model, request(**fields)))
        assert outcome.error_type == "DeadlineExceeded"
        assert "0.05 s" in outcome.error


async def test_a_proposal_that_is_cut_off_is_a_failure_with_its_tokens() -> None:
    model = FakeModel(response(TEXT, finish_reason="length"))
    outcome = failed(await executed(model, request(llm={"max_tokens": 50})))
    assert (outcome.error_type, outcome.error) == ("TruncatedResponse", "The proposal was cut off at 50 tokens.")
    assert outcome.usage.total_tokens == 15


async def test_a_budget_bounds_the_proposal_and_names_itself_when_it_ends_one() -> None:
    model = FakeModel(response(TEXT, Usage(100, 20, 120), finish_reason="length"))
    outcome = failed(await executed(model, request(token_budget=400)))
    assert model.requests[0].max_tokens < 400
    assert outcome.error_type == "BudgetExceeded"
    assert "spec.budget.tokens" in outcome.error
    assert outcome.usage.total_tokens == 120
    assert failed(await executed(FakeModel(TEXT), request(token_budget=10))).error_type == "BudgetExceeded"


def test_only_a_proposal_without_diversity_may_be_reused() -> None:
    assert proposal_version(AgentTask("t", "d", diversity=True)) is None
    assert proposal_version(AgentTask("t", "d")) == proposal_version(AgentTask("u", "e", constraints={"a": 1}))
