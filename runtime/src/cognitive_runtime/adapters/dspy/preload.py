"""Imports that DSPy makes at its first call, made before the first task."""

import asyncio
import json
from contextlib import suppress
from typing import Final

from cognitive_runtime.adapters.dspy.core import CognitiveCore
from cognitive_runtime.domain import (
    AgentSettings,
    CallMeter,
    CognitiveTaskType,
    ExecutionRequest,
    IAllowance,
    IVLLMClient,
    LLMSettings,
    ModelBehaviour,
    ReasoningError,
    VLLMRequest,
    VLLMResponse,
)

_ANSWER: Final = json.dumps({"thought": "It is full.", "proposed_solution": "Enlarge it.", "confidence_score": 0.5})
_ENDPOINT: Final = "http://preload.invalid"


class _PreloadModel:
    """Implements ``IModelSource`` and ``IVLLMClient`` without a server."""

    behaviour = ModelBehaviour(_ENDPOINT, "preload")

    def open(
        self,
        request: ExecutionRequest,
        deadline_s: float,
        allowance: IAllowance | None = None,
        meter: CallMeter | None = None,
    ) -> IVLLMClient:
        return self

    def learn_bounded(self) -> None:
        return

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        return ()

    async def close(self) -> None:
        return

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        return VLLMResponse(_ANSWER, "preload", "preload", request.model, request.temperature)


def load_dspy() -> None:
    """Reason once without a server, so that a task waits for no import.

    Blocking; must not be called on a thread with a running event loop.
    """
    request = ExecutionRequest(
        namespace="preload",
        task_name="preload",
        task_uid="preload",
        attempt=1,
        agent_name="preload",
        agent_uid="preload",
        mode="Embedded",
        attempt_key="",
        timeout_seconds=60,
        task_type=CognitiveTaskType.FAILURE_ANALYSIS,
        input={"error_message": "none"},
        agent=AgentSettings("DEV", LLMSettings("vllm", "preload", _ENDPOINT)),
    )
    with suppress(ReasoningError):  # its imports are made, and no task depends on its answer
        asyncio.run(CognitiveCore(_PreloadModel()).reason(request))
