"""Executions of one attempt by a reasoner that answers, fails or hangs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import ExecuteAgentTask, StopSignal
from cognitive_runtime.domain import AgentResult, ExecutionRequest, FailureResult, ModelBehaviour, Reasoning, Usage
from support.builders.runtime_requests import execution_request

Answer = Callable[[], Awaitable[Reasoning]]


@dataclass
class FakeReasoner:
    """Implements ``IReasoner``: the same answer to each request."""

    answer: Answer
    behaviour: tuple[ModelBehaviour, ...] = ()

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        return await self.answer()

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return self.behaviour


def execute(answer: Answer) -> ExecuteAgentTask:
    """Return the use case with a reasoner that answers so."""
    return ExecuteAgentTask(FakeReasoner(answer), SystemClock())


async def run(answer: Answer, stop: StopSignal | None = None, **fields: Any) -> AgentResult | FailureResult:
    """Execute one attempt and return its outcome; ``fields`` change its request."""
    request = execution_request(**fields)
    return await execute(answer)(request, worker="w1", submission_id="s1", stop=stop)


async def failure(answer: Answer, stop: StopSignal | None = None, **fields: Any) -> FailureResult:
    """Execute one attempt that must fail and return its failure."""
    outcome = await run(answer, stop, **fields)
    assert isinstance(outcome, FailureResult)
    return outcome


async def good() -> Reasoning:
    """Answer with a thought of six characters."""
    return Reasoning({"thought": "故障" * 3}, thought="故障" * 3, confidence=0.5, usage=Usage(1, 2, 3))


async def forever() -> Reasoning:
    """Hang until the attempt is cancelled."""
    await asyncio.Event().wait()
    raise AssertionError


def raising(error: Exception) -> Answer:
    """Return an answer that raises an error."""

    async def answer() -> Reasoning:
        raise error

    return answer
