"""Use case: execute one attempt and publish its outcome exactly once."""

import asyncio
import logging
import traceback
from collections.abc import Coroutine, Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cognitive_runtime.application.stop_signal import StopSignal
from cognitive_runtime.domain import (
    AgentResult,
    DeadlineExceeded,
    ExecutionRequest,
    FailureResult,
    IClock,
    InternalError,
    IReasoner,
    IResultPublisher,
    ModelBehaviour,
    ModelEndpoint,
    Reasoning,
    ReasoningError,
)
from cognitive_runtime.domain.memory import ExecutorMemory
from cognitive_runtime.domain.text import clip_utf8

MAX_REASONING_BYTES: Final = 1024 * 1024
"""Maximum size of the reasoning of a result. The rest of a longer one is dropped, which is logged."""
MAX_FAILED_REASONING_BYTES: Final = 4 * 1024
"""Maximum size of the reasoning of a failure, which has no object for the rest."""
MAX_ERROR_BYTES: Final = 1024
CANCEL_GRACE_S: Final = 0.5
"""Time for a cancelled reasoner to end before the outcome is reported without it."""

_IDENTITY: Final = (
    "namespace",
    "task_name",
    "task_uid",
    "attempt",
    "agent_name",
    "agent_uid",
    "mode",
    "attempt_key",
    "variant",
)
"""Fields of a request that its outcome repeats."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Start:
    """Fields of the outcome that are known before the attempt runs."""

    request: ExecutionRequest
    worker: str
    submission_id: str
    started_at: str
    started_s: float


class ExecuteAgentTask:
    """Executes attempts. One instance serves any number of concurrent attempts."""

    def __init__(self, reasoner: IReasoner, clock: IClock, memory: ExecutorMemory | None = None) -> None:
        self._reasoner = reasoner
        self._clock = clock
        self._memory = memory

    async def __call__(
        self, request: ExecutionRequest, *, worker: str, submission_id: str, stop: StopSignal | None = None
    ) -> AgentResult | FailureResult:
        """Execute one attempt and return its outcome. Every failure becomes an outcome.

        Raises:
            asyncio.CancelledError: The calling asyncio task was cancelled. Use ``stop`` to get an outcome.
        """
        asked = self._memory.with_memory(request) if self._memory else request
        outcome = await self._execute(asked, worker, submission_id, stop or StopSignal())
        if self._memory:
            self._memory.record(outcome)
        return outcome

    async def _execute(
        self, request: ExecutionRequest, worker: str, submission_id: str, stop: StopSignal
    ) -> AgentResult | FailureResult:
        start = _Start(request, worker, submission_id, self._clock.now(), self._clock.monotonic())
        try:
            reasoning = await self._reason(request, stop)
            return self._completed(start, reasoning)
        except ReasoningError as error:
            return self._failed(start, error)
        except Exception as error:
            return self._failed(start, _crash(request, error))

    async def run_and_publish(
        self,
        request: ExecutionRequest,
        publisher: IResultPublisher,
        *,
        worker: str,
        submission_id: str,
        stop: StopSignal | None = None,
    ) -> AgentResult | FailureResult:
        """Execute one attempt and publish its outcome with exactly one call of the publisher.

        An error of the publisher is raised to the caller. It does not turn a result into a failure.
        """
        outcome = await self(request, worker=worker, submission_id=submission_id, stop=stop)
        if isinstance(outcome, AgentResult):
            await publisher.publish_success(outcome)
        else:
            await publisher.publish_failure(outcome)
        return outcome

    async def _reason(self, request: ExecutionRequest, stop: StopSignal) -> Reasoning:
        if stop.reason:
            raise stop.reason
        reasoning = _spawn(self._reasoner.reason(request))
        stopping = _spawn(stop.wait())
        try:
            await asyncio.wait(
                {reasoning, stopping}, timeout=request.timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if reasoning.done():
                return _answer(reasoning)
        finally:
            await _end(reasoning, stopping)
        over = DeadlineExceeded(f"The task ran for its limit of {request.timeout_seconds:g} s.")
        raise _spent(stop.reason or over, reasoning)

    def _completed(self, start: _Start, reasoning: Reasoning) -> AgentResult:
        cost = 0.0 if reasoning.cache_hit else start.request.agent.cost_per_character
        found = reasoning.deliberation
        return AgentResult(
            **self._common(start, reasoning.answered_by),
            usage=reasoning.usage,
            calls=reasoning.calls,
            energy_delta=cost * (found.characters if found else len(reasoning.thought or reasoning.native_reasoning)),
            deliberation=found,
            result=reasoning.outputs,
            confidence=reasoning.confidence,
            confidence_reason=reasoning.confidence_reason,
            reasoning=_clip_reasoning(start.request, reasoning.native_reasoning or reasoning.thought),
            repaired=reasoning.repaired,
            cache_hit=reasoning.cache_hit,
            output_valid=reasoning.output_valid,
            unchecked_patterns=reasoning.unchecked_patterns,
            operations=reasoning.operations,
            artifacts=reasoning.artifacts,
            audit_trail=reasoning.audit_trail,
        )

    def _failed(self, start: _Start, error: ReasoningError) -> FailureResult:
        shown = (error.native_reasoning or error.thought) if error.shows_thought else ""
        found = error.deliberation
        characters = found.characters if found else len(error.thought or error.native_reasoning)
        return FailureResult(
            **self._common(start, error.answered_by),
            usage=error.usage,
            calls=error.calls,
            energy_delta=start.request.agent.cost_per_character * characters,
            deliberation=found,
            error=clip_utf8(str(error), MAX_ERROR_BYTES),
            error_type=error.error_type,
            retryable=error.retryable,
            retry_after_seconds=error.retry_after_s,
            reasoning=clip_utf8(shown, MAX_FAILED_REASONING_BYTES),
            operations=error.operations,
            artifacts=error.artifacts,
            audit_trail=error.audit_trail,
        )

    def _common(self, start: _Start, answered_by: ModelEndpoint | None) -> dict[str, Any]:
        request = start.request
        model = answered_by or request.agent.llm
        return {name: getattr(request, name) for name in _IDENTITY} | {
            "context_sources": request.context_sources,
            "role": request.agent.role,
            "worker": start.worker,
            "submission_id": start.submission_id,
            "task_type": request.task_type.value,
            "model": model.model,
            "provider": model.provider,
            "endpoint": answered_by and answered_by.endpoint,
            "started_at": start.started_at,
            "timestamp": self._clock.now(),
            "duration_ms": round(1000 * (self._clock.monotonic() - start.started_s)),
            "learnt": _of_agent(request, self._reasoner.learnt()),
        }


def _spawn(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    task = asyncio.create_task(coroutine)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # marks the exception as retrieved
    return task


def _answer(reasoning: asyncio.Task[Reasoning]) -> Reasoning:
    if reasoning.cancelled():  # the reasoner cancelled itself; a cancellation of the caller is raised earlier
        raise InternalError("The reasoning cancelled itself.")
    return reasoning.result()


def _spent(why: ReasoningError, reasoning: asyncio.Task[Reasoning]) -> ReasoningError:
    """Return the reason for the stop, with the usage of the reasoning if the reasoning has ended."""
    found = copy(why)  # other attempts may share the reason
    if reasoning.done() and not reasoning.cancelled():
        error = reasoning.exception()
        ended = reasoning.result() if error is None else error
        if isinstance(ended, Reasoning | ReasoningError):
            found.usage, found.calls, found.answered_by = ended.usage, ended.calls, ended.answered_by
            found.thought, found.native_reasoning = ended.thought, ended.native_reasoning
            found.deliberation = ended.deliberation
            found.operations, found.artifacts = ended.operations, ended.artifacts
            found.audit_trail = ended.audit_trail
    return found


def _clip_reasoning(request: ExecutionRequest, text: str) -> str:
    found = clip_utf8(text, MAX_REASONING_BYTES)
    if len(found) < len(text):
        known = {"event": "ReasoningCut", "attempt": request.attempt_id, "max_bytes": MAX_REASONING_BYTES}
        logger.warning("reasoning is too long and was cut", extra=known)
    return found


def _of_agent(request: ExecutionRequest, learnt: Iterable[ModelBehaviour]) -> tuple[ModelBehaviour, ...]:
    """Return the behaviour of the models that the request names, and not of those of earlier requests."""
    own = {(each.address, each.model) for each in request.agent.llm.endpoints}
    return tuple(each for each in learnt if (each.endpoint, each.model) in own)


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel the running tasks and wait for them up to CANCEL_GRACE_S."""
    running = {task for task in tasks if not task.done()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=CANCEL_GRACE_S)


def _crash(request: ExecutionRequest, error: Exception) -> InternalError:
    """Log a crash and return it as an error. Only its class is shown: its message can contain prompts or secrets."""
    where = "".join(traceback.format_tb(error.__traceback__))
    logger.error("attempt %s crashed: %s\n%s", request.attempt_id, type(error).__name__, where)
    return InternalError(f"{type(error).__name__} while reasoning about {request.task_type.value}.")
