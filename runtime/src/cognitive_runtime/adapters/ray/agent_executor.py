"""Executor of one agent that answers tasks in free text or with tools, called synchronously from Ray."""

import asyncio
import logging
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import AnswerAgentTask
from cognitive_runtime.domain import (
    AgentConfig,
    AgentResult,
    AgentTask,
    DeadlineExceeded,
    FailureResult,
    IAsyncExecutor,
    IClock,
    InternalError,
    IResultPublisher,
    IToolAgent,
    IVLLMClient,
    Reasoning,
    ReasoningError,
    VLLMResponse,
)

_LOGGER: Final = logging.getLogger(__name__)
_PUBLISHING_SHARE: Final = 0.2
_MAX_PUBLISHING_S: Final = 5.0
"""Time that is kept for publishing: this share of the time limit of a task, and at most so many seconds."""
_NOT_A_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]")
"""Characters that are not allowed in a token of a subject."""


@dataclass(frozen=True)
class _Run:
    """A running task and its start time."""

    task: AgentTask
    began_s: float
    started_at: str
    limit_s: float
    """Time limit of the task, publishing included."""


class RayAgentExecutor:
    """Runs a task, publishes its outcome and returns it. Ray calls this class.

    Raises:
        ValueError: The configuration enables tools, and there is no agent for them.
    """

    def __init__(
        self,
        config: AgentConfig,
        publisher: IResultPublisher,
        vllm_client: IVLLMClient,
        async_executor: IAsyncExecutor,
        clock: IClock | None = None,
        *,
        tool_agent: IToolAgent | None = None,
    ) -> None:
        self._config = config
        self._publisher = publisher
        self._answer = AnswerAgentTask(config, vllm_client, tool_agent)
        self._async_executor = async_executor
        self._clock = clock or SystemClock()

    def run(
        self,
        task_id: str,
        task_description: str,
        constraints: Mapping[str, Any] | None = None,
        diversity: bool = False,
    ) -> dict[str, Any]:
        """Run a task and return its outcome, whose ``status`` is ``completed`` or ``failed``.

        It ends within the constraint ``timeout`` of the task, or else within the agent's ``timeout``, also without a
        broker or a stream. Then ``published`` is false.

        Raises:
            ValueError: The task has no id or no description.
        """
        task = AgentTask(task_id, task_description, constraints=dict(constraints or {}), diversity=diversity)
        return self._async_executor.run(self._run(task))

    def get_info(self) -> dict[str, Any]:
        """Return the configuration of the agent and the versions of its runtime, without secrets."""
        versions = {"runtime": version("cognitive-runtime"), "python": platform.python_version()}
        return self._config.to_dict() | {"versions": versions}

    async def _run(self, task: AgentTask) -> dict[str, Any]:
        limit_s = self._config.timeout if task.constraints.get("timeout") is None else task.timeout_s
        begun = _Run(task, self._clock.monotonic(), self._clock.now(), limit_s)
        outcome = await self._outcome(begun)
        is_published = await self._publish_in_time(begun, outcome)
        return _shown(task, outcome) | {"published": is_published}

    async def _outcome(self, begun: _Run) -> AgentResult | FailureResult:
        try:
            return self._completed(begun, await self._answered(begun))
        except ReasoningError as error:
            return self._failed(begun, error)
        except Exception as error:
            _LOGGER.exception("task crashed", extra={"event": "TaskCrashed", "task": begun.task.task_id})
            return self._failed(begun, InternalError(f"{type(error).__name__} while generating a proposal."))

    async def _answered(self, begun: _Run) -> VLLMResponse | Reasoning:
        limit_s = begun.limit_s - min(_PUBLISHING_SHARE * begun.limit_s, _MAX_PUBLISHING_S)
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                return await self._answer(begun.task, limit_s)
        except (TimeoutError, ReasoningError) as error:
            if not limit.expired():
                raise
            over = DeadlineExceeded(f"The task ran for its limit of {begun.limit_s:g} s.")
            if isinstance(error, ReasoningError):
                over.usage, over.operations, over.artifacts = error.usage, error.operations, error.artifacts
                over.audit_trail = error.audit_trail
            raise over from None

    async def _publish_in_time(self, begun: _Run, outcome: AgentResult | FailureResult) -> bool:
        """Publish the outcome before the time limit, and return False if it could not be stored."""
        left_s = max(0.0, begun.began_s + begun.limit_s - self._clock.monotonic())
        publishing = asyncio.create_task(self._publish(begun.task, outcome))
        done, _ = await asyncio.wait({publishing}, timeout=left_s)
        if done:
            publishing.result()
            return True
        await cancel(publishing)
        line = {"event": "ResponseNotPublished", "task": begun.task.task_id}
        _LOGGER.error("the broker did not store the outcome before the time limit of the task", extra=line)
        return False

    async def _publish(self, task: AgentTask, outcome: AgentResult | FailureResult) -> None:
        original = str(task.metadata.get("task_id") or task.task_id)
        try:
            await self._publisher.connect()
            if isinstance(outcome, AgentResult):
                await self._publisher.publish_success(
                    outcome, original_task_id=original, constraints=dict(task.constraints)
                )
            else:
                await self._publisher.publish_failure(outcome, original_task_id=original)
        finally:
            await self._publisher.close()

    def _completed(self, begun: _Run, proposal: VLLMResponse | Reasoning) -> AgentResult:
        if isinstance(proposal, Reasoning):
            return AgentResult(
                **self._common(begun),
                usage=proposal.usage,
                result=proposal.outputs,
                confidence_reason="a task with tools states no confidence",
                reasoning=proposal.thought,
                operations=proposal.operations,
                artifacts=proposal.artifacts,
                audit_trail=proposal.audit_trail,
            )
        return AgentResult(
            **self._common(begun),
            usage=proposal.usage,
            result={"proposal": proposal.to_dict(), "diversity": begun.task.diversity},
            confidence_reason="a proposal states no confidence",
        )

    def _failed(self, begun: _Run, error: ReasoningError) -> FailureResult:
        return FailureResult(
            **self._common(begun),
            usage=error.usage,
            error=str(error),
            error_type=error.error_type,
            retryable=error.retryable,
            retry_after_seconds=error.retry_after_s,
            operations=error.operations,
            artifacts=error.artifacts,
            audit_trail=error.audit_trail,
        )

    def _common(self, begun: _Run) -> dict[str, Any]:
        config = self._config
        return {
            "namespace": "default",
            "task_name": begun.task.task_id,
            "task_uid": _NOT_A_TOKEN.sub("-", begun.task.task_id),
            "attempt": 1,
            "agent_name": config.agent_id,
            "agent_uid": _NOT_A_TOKEN.sub("-", config.agent_id),
            "role": str(config.role),
            "mode": "Embedded",
            "worker": f"ray-agent-executor-{os.getpid()}",
            "submission_id": os.environ.get("COGNITIVE_SUBMISSION_ID", ""),
            "task_type": "proposal",
            "model": config.model,
            "provider": "vllm",
            "started_at": begun.started_at,
            "timestamp": self._clock.now(),
            "duration_ms": round(1000 * (self._clock.monotonic() - begun.began_s)),
        }


def _shown(task: AgentTask, outcome: AgentResult | FailureResult) -> dict[str, Any]:
    found = {
        "task_id": task.task_id,
        "agent_id": outcome.agent_name,
        "role": outcome.role,
        "status": outcome.status,
        "success": outcome.success,
        "model": outcome.model,
        "duration_ms": outcome.duration_ms,
        "timestamp": outcome.timestamp,
        "tokens": outcome.usage.total_tokens,
        "operations": [asdict(each) for each in outcome.operations],
        "artifacts": [{"name": each.name, "size_bytes": each.size_bytes} for each in outcome.artifacts],
        "audit_trail": [asdict(each) for each in outcome.audit_trail],
    }
    if isinstance(outcome, AgentResult):
        return found | dict(outcome.result)
    return found | {"error": outcome.error, "error_type": outcome.error_type, "retryable": outcome.retryable}
