"""One attempt has one outcome: what its result or failure tells, and that it is published once."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import ExecuteAgentTask
from cognitive_runtime.domain import (
    AgentResult,
    FailureResult,
    ModelBehaviour,
    ModelEndpoint,
    ModelUnavailable,
    OutputInvalid,
    RateLimited,
    Reasoning,
    Usage,
)
from support.builders.executions import Answer, FakeReasoner, execute, failure, good, raising, run
from support.builders.runtime_requests import execution_request


@dataclass
class RecordingPublisher:
    error: Exception | None = None
    published: list[AgentResult | FailureResult] = field(default_factory=list)

    async def connect(self) -> None: ...

    async def publish_success(
        self,
        result: AgentResult,
        num_agents: int | None = None,
        original_task_id: str | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> None:
        self._publish(result)

    async def publish_failure(
        self, result: FailureResult, num_agents: int | None = None, original_task_id: str | None = None
    ) -> None:
        self._publish(result)

    async def close(self) -> None: ...

    def _publish(self, result: AgentResult | FailureResult) -> None:
        self.published.append(result)
        if self.error:
            raise self.error


async def test_a_result_tells_whose_it_is_and_what_it_cost() -> None:
    outcome = await run(good, agent={"cost_per_character": 0.5})
    assert isinstance(outcome, AgentResult)
    assert (outcome.status, outcome.success, outcome.task_type) == ("completed", True, "failure_analysis")
    assert (outcome.task_uid, outcome.attempt, outcome.worker, outcome.submission_id) == ("0b9c6f0a", 1, "w1", "s1")
    assert (outcome.role, outcome.model, outcome.provider) == ("DEVOPS", "scripted", "openaiCompatible")
    assert outcome.energy_delta == 0.5 * 6
    assert outcome.usage == Usage(1, 2, 3)
    assert outcome.confidence == 0.5
    assert outcome.attempt_key == "ab" * 32
    assert outcome.started_at <= outcome.timestamp
    assert outcome.duration_ms >= 0


async def result(reasoning: Reasoning) -> AgentResult:
    async def answer() -> Reasoning:
        return reasoning

    outcome = await run(answer)
    assert isinstance(outcome, AgentResult)
    return outcome


async def test_a_long_thought_is_kept_whole() -> None:
    outcome = await result(Reasoning({}, thought="故" * 5000))
    assert outcome.reasoning == "故" * 5000
    assert outcome.energy_delta == pytest.approx(50)


async def test_reasoning_over_a_mebibyte_is_cut_but_counted_whole_and_the_log_tells_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcome = await result(Reasoning({}, thought="a" + "é" * 600_000))
    assert outcome.reasoning == "a" + "é" * (1024 * 1024 // 2 - 1)
    assert outcome.energy_delta == pytest.approx(6000.01)
    assert [record.__dict__.get("event") for record in caplog.records] == ["ReasoningCut"]
    assert "é" not in caplog.text


async def test_native_reasoning_is_shown_and_the_typed_thought_costs_the_energy() -> None:
    outcome = await result(Reasoning({}, thought="x" * 7, native_reasoning="I think " * 100))
    assert outcome.reasoning == "I think " * 100
    assert outcome.energy_delta == pytest.approx(0.07)


async def test_native_reasoning_costs_energy_if_there_is_no_typed_thought() -> None:
    outcome = await result(Reasoning({}, thought="", native_reasoning="故障" * 50))
    assert outcome.reasoning == "故障" * 50
    assert outcome.energy_delta == pytest.approx(1.0)


async def test_a_result_names_the_patterns_that_were_not_checked() -> None:
    outcome = await result(Reasoning({}, thought="x", unchecked_patterns=("(?=a)",)))
    assert outcome.unchecked_patterns == ("(?=a)",)


@pytest.mark.parametrize(("thought", "cost"), [("x" * 20, 0.2), ("", 0.5)])
async def test_a_failure_keeps_the_reasoning_that_is_known(thought: str, cost: float) -> None:
    error = OutputInvalid("output has no severity.")
    error.thought, error.native_reasoning = thought, "y" * 50
    found = await failure(raising(error))
    assert found.reasoning == "y" * 50
    assert found.energy_delta == pytest.approx(cost)


async def test_the_reasoning_of_a_failure_has_at_most_four_kibibytes() -> None:
    error = OutputInvalid("output has no severity.")
    error.native_reasoning = "é" * 5000
    assert (await failure(raising(error))).reasoning == "é" * 2048


LEARNT = (
    ModelBehaviour("http://127.0.0.1:1", "scripted", frozenset({"temperature"})),
    ModelBehaviour("http://127.0.0.1:1", "other", bounded=True),
    ModelBehaviour("http://127.0.0.1:2/v1", "scripted", output="Text"),
    ModelBehaviour("http://127.0.0.1:3/v1", "fallback", output="JSONObject"),
)


@pytest.mark.parametrize("answer", [good, raising(ModelUnavailable("x")), raising(ValueError("x"))])
async def test_every_outcome_tells_what_was_learnt_about_the_models_of_its_request(answer: Answer) -> None:
    fallback = ModelEndpoint("openai", "fallback", "http://user:secret@127.0.0.1:3/v1?key=secret")
    request = execution_request(llm={"fallbacks": (fallback,)})
    executing = ExecuteAgentTask(FakeReasoner(answer, LEARNT), SystemClock())
    outcome = await executing(request, worker="w1", submission_id="s1")
    assert outcome.learnt == (LEARNT[0], LEARNT[3])


async def test_a_classified_failure_keeps_its_class_and_usage() -> None:
    error = RateLimited("The model server answered HTTP 429.", retry_after_s=2.5, usage=Usage(5, 0, 5))
    found = await failure(raising(error))
    assert (found.error_type, found.retryable, found.retry_after_seconds) == ("RateLimited", True, 2.5)
    assert found.usage == Usage(5, 0, 5)
    assert found.error == "The model server answered HTTP 429."


async def test_a_crash_is_told_by_its_class_alone(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = await failure(raising(RuntimeError("key sk-secret and the prompt")))
    assert (found.error_type, found.retryable) == ("InternalError", True)
    assert found.error == "RuntimeError while reasoning about failure_analysis."
    assert "sk-secret" not in caplog.text
    assert "RuntimeError" in caplog.text


async def test_a_reasoner_that_cancels_itself_is_a_crash_not_a_cancellation() -> None:
    async def answer() -> Reasoning:
        raise asyncio.CancelledError

    assert (await failure(answer)).error_type == "InternalError"


async def test_a_long_error_is_cut_at_its_bound() -> None:
    found = await failure(raising(ModelUnavailable("é" * 2000)))
    assert len(found.error.encode()) == 1024


@pytest.mark.parametrize(("answer", "status"), [(good, "completed"), (raising(ValueError("x")), "failed")])
async def test_exactly_one_event_is_published(answer: Answer, status: str) -> None:
    publisher = RecordingPublisher()
    outcome = await execute(answer).run_and_publish(execution_request(), publisher, worker="w", submission_id="s")
    assert publisher.published == [outcome]
    assert outcome.status == status


async def test_a_result_that_cannot_be_published_never_becomes_a_failure() -> None:
    publisher = RecordingPublisher(error=ConnectionError("broker"))
    with pytest.raises(ConnectionError):
        await execute(good).run_and_publish(execution_request(), publisher, worker="w", submission_id="s")
    assert [outcome.status for outcome in publisher.published] == ["completed"]


async def test_many_attempts_at_once_keep_apart() -> None:
    outcomes = await asyncio.gather(*(run(good, task_uid=f"uid-{number}") for number in range(50)))
    assert {outcome.task_uid for outcome in outcomes} == {f"uid-{number}" for number in range(50)}


async def test_without_an_answer_no_endpoint_is_named() -> None:
    outcome = await failure(raising(ModelUnavailable("x")))
    assert (outcome.model, outcome.endpoint) == ("scripted", None)
