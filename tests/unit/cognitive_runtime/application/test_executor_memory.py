"""An executor remembers how its attempts for one agent ended, and tells it where a task gives no memory."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.domain import (
    AgentResult,
    CacheSettings,
    ExecutionRequest,
    FailureResult,
    ModelBehaviour,
    ModelUnavailable,
    Reasoning,
)
from cognitive_runtime.domain.memory import MAX_BYTES, MAX_OUTCOMES, ExecutorMemory
from support.builders.runtime_requests import execution_request

NOBODY = {"memory": "none", "energy": "agent", "lifecycle": "agent"}
Outcome = AgentResult | FailureResult


class Reasoner:
    """Answers or fails as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[ExecutionRequest] = []
        self.error: Exception | None = None

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        self.asked.append(request)
        if self.error:
            raise self.error
        return Reasoning({"proposed_solution": "SECRET-ANSWER"}, "SECRET-THOUGHT", 0.81234567)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return ()


class Worker:
    """An executor of the agent that the requests of these tests are for."""

    def __init__(self) -> None:
        self.reasoner = Reasoner()
        self._execute = ExecuteAgentTask(
            self.reasoner, SystemClock(), ExecutorMemory("default", execution_request().agent_uid)
        )

    async def run(self, **fields: Any) -> Outcome:
        fields = {"context_sources": NOBODY} | fields
        return await self._execute(execution_request(**fields), worker="w", submission_id="s")

    def told(self) -> Any:
        """The memory that came with the last request."""
        return self.reasoner.asked[-1].context.get("memory")


async def test_the_first_attempt_has_no_memory_and_the_next_ones_have_it() -> None:
    worker = Worker()
    assert (await worker.run()).context_sources == NOBODY
    assert worker.told() is None
    worker.reasoner.error = ModelUnavailable("The server SECRET-HOST is away.")
    assert (await worker.run()).context_sources == NOBODY | {"memory": "executor"}
    await worker.run()

    answered, failed = worker.told()["recent_outcomes"]
    assert (answered["task_type"], answered["outcome"], answered["confidence"]) == (
        "failure_analysis",
        "completed",
        0.8123,
    )
    assert (failed["outcome"], failed["error_type"]) == ("failed", "ModelUnavailable")
    assert answered["ended_at"].endswith("Z")
    assert {name: worker.told()[name] for name in ("memory_writes", "memory_hits", "memory_utilization")} == {
        "memory_writes": 2,
        "memory_hits": 2,
        "memory_utilization": 0.2,
    }


async def test_nothing_that_was_asked_or_answered_is_remembered() -> None:
    worker = Worker()
    await worker.run(input={"error_message": "SECRET-INPUT"}, task_name="SECRET-NAME")
    worker.reasoner.error = ModelUnavailable("SECRET-HOST")
    await worker.run()
    await worker.run()
    assert "SECRET" not in json.dumps(worker.told())


@pytest.mark.parametrize("own", [{"memory_hits": 77}, {}])
async def test_a_task_s_own_memory_wins_also_an_empty_one(own: dict[str, int]) -> None:
    worker = Worker()
    await worker.run()
    sources = NOBODY | {"memory": "task"}
    assert (await worker.run(context={"memory": own}, context_sources=sources)).context_sources == sources
    assert worker.told() == own


async def test_memory_that_came_with_the_request_is_kept_whatever_the_sources_say() -> None:
    worker = Worker()
    await worker.run()
    await worker.run(context={"memory": {"memory_hits": 77}})
    assert worker.told() == {"memory_hits": 77}


async def test_with_a_cache_the_answer_depends_on_the_question_alone() -> None:
    worker = Worker()
    await worker.run()
    outcome = await worker.run(llm={"cache": CacheSettings(enabled=True)})
    assert outcome.context_sources == NOBODY
    assert worker.told() is None


async def test_without_a_word_about_sources_nothing_is_supplied() -> None:
    worker = Worker()
    await worker.run()
    assert (await worker.run(context_sources=None)).context_sources is None
    assert worker.told() is None


@pytest.mark.parametrize("foreign", [{"agent_uid": "another"}, {"namespace": "another"}])
async def test_another_agent_neither_sees_nor_changes_the_memory(foreign: dict[str, str]) -> None:
    worker = Worker()
    await worker.run()
    assert (await worker.run(**foreign)).context_sources == NOBODY
    assert worker.told() is None
    await worker.run()
    assert worker.told()["memory_writes"] == 1


async def test_an_answer_that_was_given_again_is_not_remembered() -> None:
    memory = ExecutorMemory("default", execution_request().agent_uid)
    given = await Worker().run()
    assert isinstance(given, AgentResult)
    memory.record(replace(given, cache_hit=True))
    request = execution_request(context_sources=NOBODY)
    assert memory.with_memory(request) is request


@pytest.mark.parametrize("task_type", ["failure_analysis", "x" * 500, "é" * 5000])
async def test_memory_keeps_the_newest_within_its_bounds(task_type: str) -> None:
    memory = ExecutorMemory("default", execution_request().agent_uid)
    outcome = await Worker().run()
    assert isinstance(outcome, AgentResult)
    for number in range(100):
        memory.record(replace(outcome, task_type=task_type, confidence=number / 100))

    told = memory.with_memory(execution_request(context_sources=NOBODY)).context["memory"]

    assert len(json.dumps(told, ensure_ascii=False).encode()) <= MAX_BYTES
    kept = [each["confidence"] for each in told["recent_outcomes"]]
    assert kept == [number / 100 for number in range(100 - len(kept), 100)]
    assert len(kept) == {16: MAX_OUTCOMES, 500: 3, 5000: 0}[len(task_type)]
    assert told["memory_writes"] == 100
