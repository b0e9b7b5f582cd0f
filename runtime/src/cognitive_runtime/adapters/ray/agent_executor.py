"""Executor of one agent that answers tasks in free text, called synchronously from Ray."""

import logging
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import GenerateProposal
from cognitive_runtime.domain import (
    AgentConfig,
    AgentResult,
    AgentTask,
    FailureResult,
    IAsyncExecutor,
    IClock,
    InternalError,
    IResultPublisher,
    IVLLMClient,
    ReasoningError,
    VLLMResponse,
)

_LOGGER: Final = logging.getLogger(__name__)
_NOT_A_TOKEN: Final = re.compile(r"[^A-Za-z0-9_-]")
"""Characters that are not allowed in a token of a subject."""


@dataclass(frozen=True)
class _Run:
    """A running task and its start time."""

    task: AgentTask
    began_s: float
    started_at: str


class RayAgentExecutor:
    """Runs a task, publishes its outcome and returns it. Ray calls this class.

    Raises:
        ValueError: The configuration enables tools, which are not supported.
    """

    def __init__(
        self,
        config: AgentConfig,
        publisher: IResultPublisher,
        vllm_client: IVLLMClient,
        async_executor: IAsyncExecutor,
        clock: IClock | None = None,
    ) -> None:
        if config.enable_tools:
            raise ValueError("enable_tools: RayAgentExecutor answers in text and supports no tools")
        self._config = config
        self._publisher = publisher
        self._generate = GenerateProposal(vllm_client, config)
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
        begun = _Run(task, self._clock.monotonic(), self._clock.now())
        outcome: AgentResult | FailureResult
        try:
            proposal = await self._generate(task)
            outcome = self._completed(begun, proposal)
        except ReasoningError as error:
            outcome = self._failed(begun, error)
        except Exception as error:
            _LOGGER.exception("task crashed", extra={"event": "TaskCrashed", "task": task.task_id})
            outcome = self._failed(begun, InternalError(f"{type(error).__name__} while generating a proposal."))
        await self._publish(task, outcome)
        return _shown(task, outcome)

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

    def _completed(self, begun: _Run, proposal: VLLMResponse) -> AgentResult:
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
    }
    if isinstance(outcome, AgentResult):
        return found | dict(outcome.result)
    return found | {"error": outcome.error, "error_type": outcome.error_type, "retryable": outcome.retryable}
