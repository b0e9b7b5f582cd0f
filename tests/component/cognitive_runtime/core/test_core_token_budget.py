"""The tokens of a task: what a call is granted, when the run stops, and what is kept of it."""

import json

import pytest

from support.builders.runtime_requests import Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
GOOD = {"thought": "the disk is full", "proposed_solution": "p", "confidence_score": 0.5}


async def cost(run: Run, model: ScriptedModel) -> tuple[int, int]:
    """Return what a call costs: its prompt, and all of it."""
    outcome = await run()
    model.reset()
    return outcome.usage.prompt_tokens, outcome.usage.total_tokens


async def test_a_budget_that_suffices_changes_nothing(run: Run, model: ScriptedModel) -> None:
    completed(await run(token_budget=100_000))
    assert model.requests[0].body["max_tokens"] == 1024


@pytest.mark.parametrize("stream", [False, True])
async def test_the_answer_gets_what_the_prompt_leaves(run: Run, model: ScriptedModel, stream: bool) -> None:
    prompt, _ = await cost(run, model)
    completed(await run(token_budget=prompt + 300, llm={"stream": stream, "structured_output": "Bounded"}))
    asked = model.requests[0].body
    assert 250 <= asked["max_tokens"] <= 310
    assert "at most 1500 characters" not in asked["messages"][0]["content"]
    longest = asked["response_format"]["json_schema"]["schema"]["properties"]["thought"]["pattern"]
    assert int(longest.rpartition(",")[2].removesuffix("}$")) < asked["max_tokens"]


async def test_a_call_that_cannot_fit_is_not_made(run: Run, model: ScriptedModel) -> None:
    outcome = failed(await run(token_budget=50))
    assert (outcome.error_type, outcome.retryable) == ("BudgetExceeded", False)
    assert outcome.error.startswith(
        "spec.budget.tokens: the attempt has 50 of its 50 tokens left; the next model call "
    )
    assert (outcome.usage.total_tokens, outcome.reasoning, model.requests) == (0, "", [])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_passes_the_budget_ends_the_run_and_its_thought_is_kept(
    run: Run, model: ScriptedModel, stream: bool
) -> None:
    prompt, _ = await cost(run, model)
    model.script(content=json.dumps(GOOD | {"proposed_solution": "word " * 400}))
    outcome = failed(await run(token_budget=prompt + 200, llm={"stream": stream}))
    assert outcome.error_type == "BudgetExceeded"
    assert outcome.reasoning == "the disk is full"
    assert outcome.usage.total_tokens > prompt + 200
    used = outcome.usage.total_tokens
    assert outcome.error == f"The attempt has used {used} tokens, but spec.budget.tokens left it {prompt + 200}."


async def test_the_repair_is_paid_from_the_same_budget(run: Run, model: ScriptedModel) -> None:
    prompt, _ = await cost(run, model)
    model.script(content='{"thought": "half a thou', finish_reason="length")
    outcome = failed(await run(token_budget=prompt + 150))
    assert outcome.error_type == "BudgetExceeded"
    assert outcome.reasoning == "half a thou"
    assert len(model.requests) == 1
    assert outcome.usage.total_tokens > prompt


async def test_a_repair_that_fits_is_made_with_what_is_left(run: Run, model: ScriptedModel) -> None:
    _, total = await cost(run, model)
    model.script(content="no JSON at all", times=1)
    outcome = completed(await run(token_budget=2 * total + 400))
    assert outcome.repaired
    first, second = (each.body["max_tokens"] for each in model.requests)
    assert second < first
    assert outcome.usage.total_tokens <= 2 * total + 400


async def test_an_answer_that_the_budget_cut_off_is_no_other_failure(run: Run, model: ScriptedModel) -> None:
    prompt, _ = await cost(run, model)
    model.script(content="{", finish_reason="length")
    outcome = failed(await run(token_budget=3 * prompt))
    assert outcome.error_type == "BudgetExceeded"
    assert len(model.requests) == 2


async def test_a_server_that_tells_no_tokens_is_counted_by_the_size_of_what_it_says(
    run: Run, model: ScriptedModel
) -> None:
    prompt, _ = await cost(run, model)
    answer = {"choices": [{"message": {"content": "x" * 8000}, "finish_reason": "stop"}]}
    model.script(body=json.dumps(answer))
    outcome = failed(await run(token_budget=prompt + 1500))
    assert outcome.error_type == "BudgetExceeded"
    assert (len(model.requests), outcome.usage.total_tokens) == (1, 0)
