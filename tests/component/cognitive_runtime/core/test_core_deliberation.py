"""Deliberations from a request of the wire to the model server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.member_spool import MemberSpool
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.adapters.wire import parse_request
from cognitive_runtime.application import Deliberate, ExecuteAgentTask, LocalLimits
from cognitive_runtime.domain import (
    AgentResult,
    CacheSettings,
    CognitiveTaskType,
    DeliberationResult,
    ExecutionRequest,
    FailureResult,
    RateLimit,
)
from support.builders.deliberations import deliberation, judge_signature
from support.builders.runtime_requests import completed, execution_request, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
REQUEST = Path(__file__).parents[3] / "contract" / "wire" / "request_deliberation.json"
DECISION = CognitiveTaskType.DECISION_MAKING
ANSWER: dict[str, Any] = {"reasoning": "r", "confidence": 0.5, "alternative_options": ["x"]}
Execute = Callable[[ExecutionRequest], Awaitable[AgentResult | FailureResult]]


@pytest.fixture
def execute(pool: ModelPool, tmp_path: Path) -> Execute:
    core = CognitiveCore(pool, limits=LocalLimits(SystemClock()))
    use_case = ExecuteAgentTask(Deliberate(core, SystemClock(), MemberSpool(tmp_path, "1")), SystemClock())
    return lambda request: use_case(request, worker="w1", submission_id="s1")


def decided(decision: str, **fields: Any) -> str:
    return json.dumps(ANSWER | {"decision": decision} | fields)


def request(model: ScriptedModel, members: int = 3, quorum: int = 2, **fields: Any) -> ExecutionRequest:
    found = deliberation(members, quorum, fields.pop("field", "decision"), fields.pop("judge", None))
    own: dict[str, Any] = {"deliberation": found, "timeout_seconds": 20, "llm": {"temperature": 0.2}}
    return execution_request(DECISION, model.url, **own | fields)


def outcomes(found: DeliberationResult | None) -> list[str | None]:
    assert found is not None
    return [each.error_type for each in found.members]


async def test_the_golden_request_is_answered_and_judged(model: ScriptedModel, execute: Execute) -> None:
    found = json.loads(REQUEST.read_bytes())
    own = {"endpoint": model.url, "api_key_file": None, "cache": {"enabled": False}, "rate_limit": None}
    found["agent"]["llm"] |= own
    model.script(contains="Choose the fix that names the field.", content='{"best": 3}')
    outcome = completed(await execute(parse_request(json.dumps(found | {"output_schema": None}).encode())))
    assert outcome.deliberation is not None
    assert (outcome.deliberation.selected, outcome.deliberation.method) == (3, "Judge")
    judge = outcome.deliberation.judge
    assert judge is not None
    assert (judge.name, judge.generation, judge.usage.total_tokens > 0) == ("best-fix", 2, True)
    assert outcome.usage == outcome.deliberation.usage
    assert len(model.requests) == 4
    prompt = model.requests[-1].body["messages"][-1]["content"]
    assert [text for text in ("error_message", "scripted answer", "candidates") if text not in prompt] == []


async def test_members_are_asked_at_the_same_time_and_each_in_its_own_way(
    model: ScriptedModel, execute: Execute
) -> None:
    model.script(content=decided("wait"), delay_s=0.2)
    completed(await execute(request(model)))
    assert model.peak == 3
    bodies = sorted((each.body for each in model.requests), key=lambda body: body["temperature"])
    assert [body["temperature"] for body in bodies] == pytest.approx([0.2, 0.35, 0.5])
    prompts = [body["messages"][0]["content"] for body in bodies]
    assert ["Several answers to the task are compared." in prompt for prompt in prompts] == [False, True, True]
    assert len(set(prompts)) == 3


async def test_a_server_that_refuses_a_temperature_gets_another_seed_for_each_member(
    model: ScriptedModel, execute: Execute
) -> None:
    refused = {"message": "Unsupported value: 'temperature' does not support 0.2.", "param": "temperature"}
    model.script(status=400, error=refused, times=1)
    model.script(content=decided("wait"))
    completed(await execute(execution_request(DECISION, model.url, llm={"temperature": 0.2})))
    model.requests.clear()
    completed(await execute(request(model)))
    assert ["temperature" in each.body for each in model.requests] == [False] * 3
    assert sorted(each.body["seed"] for each in model.requests) == [1, 2, 3]


async def test_one_member_hangs_one_fails_and_three_answer(model: ScriptedModel, execute: Execute) -> None:
    model.script(hang=True, times=1)
    model.script(status=503, times=1)
    model.script(content=decided("wait"), times=1)
    model.script(content=decided("roll back"))
    outcome = completed(await execute(request(model, 5, 3, timeout_seconds=3)))
    found = outcome.deliberation
    assert sorted(outcomes(found), key=str) == ["DeadlineExceeded", "ModelUnavailable", None, None, None]
    assert found is not None
    assert (outcome.result["decision"], found.votes) == ("roll back", 2)
    answered = [each for each in found.members if each.outcome == "Succeeded"]
    assert all(each.usage.total_tokens > 0 for each in answered)
    assert outcome.usage.total_tokens == sum(each.usage.total_tokens for each in answered) == sum(model.tokens.values())
    assert outcome.energy_delta == pytest.approx(0.01 * 3 * len("r"))
    assert len(model.requests) == 5


async def test_the_tokens_of_a_member_that_fails_are_counted_once_with_those_of_the_others(
    model: ScriptedModel, execute: Execute
) -> None:
    model.script(refusal="no", times=1)
    model.script(content=decided("wait"))
    outcome = completed(await execute(request(model)))
    assert sorted(outcomes(outcome.deliberation), key=str) == ["ContentRefused", None, None]
    assert outcome.deliberation is not None
    (refused,) = [each for each in outcome.deliberation.members if each.outcome == "Failed"]
    assert refused.usage.total_tokens > 0
    assert outcome.usage.total_tokens == sum(model.tokens.values())


async def test_a_member_is_repaired_at_its_own_cost(model: ScriptedModel, execute: Execute) -> None:
    model.script(content="{}", times=1)
    model.script(content=decided("wait"))
    outcome = completed(await execute(request(model, 2, 2)))
    assert len(model.requests) == 3
    assert outcome.deliberation is not None
    assert outcome.usage == outcome.deliberation.usage


async def test_the_budget_is_one_for_all_members_and_can_end_half_way(model: ScriptedModel, execute: Execute) -> None:
    model.script(content=decided("wait"))
    whole = completed(await execute(request(model))).deliberation
    assert whole is not None
    each = whole.members[0].usage.total_tokens
    budget = 2 * each + 100
    outcome = completed(await execute(request(model, 3, 1, token_budget=budget, task_uid="b")))
    assert outcome.deliberation is not None
    assert outcome.usage.total_tokens <= budget
    assert [member.outcome for member in outcome.deliberation.members].count("Succeeded") in (1, 2)
    assert "BudgetExceeded" in outcomes(outcome.deliberation)
    over = failed(await execute(request(model, 3, 3, token_budget=budget, task_uid="c")))
    assert (over.error_type, over.retryable) == ("BudgetExceeded", False)
    assert over.usage.total_tokens <= budget + each
    assert "members answered; spec.deliberation.quorum is 3. Member " in over.error
    assert ": BudgetExceeded: spec.budget.tokens: the attempt has " in over.error


async def test_all_failed_is_failed_with_the_class_of_most(model: ScriptedModel, execute: Execute) -> None:
    model.script(status=503, times=1)
    model.script(content="", times=2)
    outcome = failed(await execute(request(model)))
    assert (outcome.error_type, outcome.retryable) == ("EmptyResponse", True)
    assert outcome.error.startswith("0 of 3 members answered; spec.deliberation.quorum is 2. Member 1: ")
    assert outcome.deliberation is not None
    assert outcome.deliberation.selected is None


async def test_a_judge_whose_server_fails_fails_the_task_and_a_retry_asks_only_the_judge(
    model: ScriptedModel, execute: Execute
) -> None:
    judge = judge_signature()
    model.script(contains="Choose the best fix.", status=503, times=1)
    model.script(contains="Choose the best fix.", content='{"best": 2}')
    model.script(content=decided("wait"))
    asked: dict[str, Any] = {"field": None, "judge": judge}
    first = failed(await execute(request(model, **asked)))
    assert first.error_type == "ModelUnavailable"
    assert first.error == (
        "The judge (spec.deliberation.selection.judgeRef: CognitiveSignature best-fix, generation 2) failed: "
        f"The model server {model.url}/v1 answered HTTP 503."
    )
    assert len(model.requests) == 4
    second = completed(await execute(request(model, **asked, attempt=2)))
    assert len(model.requests) == 5
    assert second.deliberation is not None
    assert second.deliberation.judge is not None
    assert second.usage == second.deliberation.judge.usage


async def test_the_rate_limit_of_the_agent_holds_for_all_members(model: ScriptedModel, execute: Execute) -> None:
    model.script(content=decided("wait"))
    llm = {"rate_limit": RateLimit(requests_per_minute=2)}
    outcome = completed(await execute(request(model, llm=llm, timeout_seconds=10)))
    assert len(model.requests) == 2
    assert sorted(outcomes(outcome.deliberation), key=str) == [None, None, "RateLimited"]


async def test_the_cache_of_the_agent_has_the_answer_of_each_member(model: ScriptedModel, execute: Execute) -> None:
    model.script(content=decided("wait"))
    llm = {"cache": CacheSettings(enabled=True)}
    first = completed(await execute(request(model, llm=llm)))
    again = completed(await execute(request(model, llm=llm, task_uid="another")))
    assert (first.cache_hit, again.cache_hit, len(model.requests)) == (False, True, 3)
    assert (again.usage.total_tokens, again.energy_delta) == (0, 0)


async def test_proposals_are_compared_by_their_words(model: ScriptedModel, execute: Execute) -> None:
    for text in ("Rewrite it in another language.", "Cache the cart in memory.", "Keep a cache of the cart."):
        model.script(content=text, times=1)
    found = deliberation(3, 2)
    given = {"task_description": "Speed up the cart."}
    proposal = execution_request(CognitiveTaskType.PROPOSAL, model.url, deliberation=found, input=given)
    outcome = completed(await execute(proposal))
    assert "cart" in outcome.result["proposal"]
    assert (outcome.confidence, outcome.deliberation and outcome.deliberation.votes) == (None, 1)


async def test_a_killed_attempt_leaves_its_finished_answers_to_the_next_one(
    model: ScriptedModel, pool: ModelPool, tmp_path: Path
) -> None:
    """The first attempt never ends: its process is gone, and nothing of it is reported."""
    model.script(hang=True, times=1)
    model.script(content=decided("wait"))
    store, core = MemberSpool(tmp_path, "1"), CognitiveCore(pool)
    kept = _Kept(store)
    killed = asyncio.create_task(Deliberate(core, SystemClock(), kept).reason(request(model)))
    await kept.has_two.wait()
    killed.cancel()
    await asyncio.wait([killed])
    assert len(model.requests) == 3
    found = await Deliberate(core, SystemClock(), store).reason(request(model, attempt=2))
    assert len(model.requests) == 4
    assert found.deliberation is not None
    assert all(each.usage.total_tokens > 0 for each in found.deliberation.members)
    assert not list(_answers(tmp_path))


class _Kept(MemberSpool):
    """A store as a killed process leaves it: its last writes do not happen."""

    def __init__(self, store: MemberSpool) -> None:
        self._store = store
        self._saved = 0
        self.has_two = asyncio.Event()

    def load(self, request: ExecutionRequest) -> Any:
        return self._store.load(request)

    def save(self, request: ExecutionRequest, reasoning: Any) -> None:
        if self._saved < 2:
            self._store.save(request, reasoning)
            self._saved += 1
        if self._saved == 2:
            self.has_two.set()


def _answers(folder: Path) -> list[Path]:
    return list(folder.rglob("*.json"))
