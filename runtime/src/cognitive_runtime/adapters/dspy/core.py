"""Cognitive core: typed reasoning about requests and contexts."""

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from uuid import uuid4

import dspy

from cognitive_runtime.adapters.dspy.adapter import BoundedJSONAdapter
from cognitive_runtime.adapters.dspy.confidence import Confidence, read_confidence
from cognitive_runtime.adapters.dspy.inputs import preamble, signature_inputs
from cognitive_runtime.adapters.dspy.model import PortLanguageModel
from cognitive_runtime.adapters.dspy.output_schema import OUTPUT, OutputSchema
from cognitive_runtime.adapters.dspy.parsing import read_text
from cognitive_runtime.adapters.dspy.signatures import SIGNATURES, TaskSignature
from cognitive_runtime.adapters.dspy.version import signature_version
from cognitive_runtime.domain import (
    AgentSettings,
    CognitiveContext,
    ExecutionRequest,
    ILimits,
    IModelSource,
    InternalError,
    NoLimits,
    Reasoning,
    ReasoningError,
)

T = TypeVar("T")
LOCAL_TIMEOUT_S: Final = 300
"""Time limit of a call of the library, in seconds."""


class CognitiveCore:
    """Implements ``IReasoner`` with DSPy. One instance serves any number of concurrent requests.

    The model is bound to each request by ``dspy.context``. DSPy's global settings are neither used nor changed.
    """

    def __init__(self, models: IModelSource, agent: AgentSettings | None = None, limits: ILimits | None = None) -> None:
        """Take the models and limits. ``agent`` holds the settings for calls without a request."""
        self._models = models
        self._agent = agent
        self._limits = limits or NoLimits()
        self._modules = {task_type: dspy.Predict(found.signature) for task_type, found in SIGNATURES.items()}

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry. A cancelled reasoning raises
                ``InternalError``, which carries the used tokens.
        """
        inputs = signature_inputs(request)
        output_schema = OutputSchema(request.output_schema) if request.output_schema is not None else None
        deadline_s = time.monotonic() + request.timeout_seconds
        allowance = self._limits.open(request, deadline_s)
        cached = await allowance.cached_result(signature_version(request.task_type))
        if cached:
            return cached
        client = self._models.open(request, deadline_s, allowance)
        lm = PortLanguageModel(client, request.agent.llm, request.attempt_id, request.token_budget)
        adapter = BoundedJSONAdapter(preamble(request), request.agent.llm.max_tokens, output_schema)
        task = SIGNATURES[request.task_type]
        with dspy.context(lm=lm, adapter=adapter, trace=None, disable_history=True):
            prediction = await _with_usage_on_error(lm, task.thought, self._modules[request.task_type].acall(**inputs))
        reasoning = _reasoning(task, prediction.toDict(), lm)
        await allowance.cache_result(reasoning)
        return reasoning

    def __call__(self, context: CognitiveContext) -> dict[str, Any]:
        """Reason about one context and return the outputs or the error. A failed reasoning raises no exception.

        Blocks the calling thread, also a running event loop. Use ``reason`` in asynchronous code.
        """
        request = self._request(context)
        envelope = {
            "task_type": context.task_type.value,
            "agent_id": context.agent_id,
            "model_used": request.agent.llm.model,
            "provider": request.agent.llm.provider,
        }
        try:
            with ThreadPoolExecutor(1) as thread:
                found = thread.submit(asyncio.run, self._reason_once(request)).result()
        except ReasoningError as error:
            return envelope | {
                "success": False,
                "error": str(error),
                "error_type": error.error_type,
                "retryable": error.retryable,
            }
        if found.answered_by:
            envelope |= {"model_used": found.answered_by.model, "provider": found.answered_by.provider}
        return (
            envelope
            | dict(found.outputs)
            | {
                "success": True,
                "confidence": found.confidence,
                "cache_hit": found.cache_hit,
            }
        )

    async def _reason_once(self, request: ExecutionRequest) -> Reasoning:
        try:
            return await self.reason(request)
        finally:
            await self._models.close()

    def _request(self, context: CognitiveContext) -> ExecutionRequest:
        if self._agent is None:
            raise ValueError("this core has no agent settings: it answers only requests")
        contexts = {
            "memory": context.memory_context,
            "energy": context.energy_context,
            "lifecycle": context.lifecycle_context,
        }
        return ExecutionRequest(
            namespace="local",
            task_name=context.task_type.value,
            task_uid=str(uuid4()),
            attempt=1,
            agent_name=context.agent_id,
            agent_uid=context.agent_id,
            mode="Embedded",
            attempt_key="",
            timeout_seconds=LOCAL_TIMEOUT_S,
            task_type=context.task_type,
            input=context.input_data,
            agent=self._agent,
            context={name: value for name, value in contexts.items() if value},
        )


_current: Final[dict[str, CognitiveCore]] = {}


def initialize_cognitive_core(
    models: IModelSource, agent: AgentSettings, limits: ILimits | None = None
) -> CognitiveCore:
    """Create a core with an agent's settings. ``get_cognitive_core`` returns it from now on."""
    _current["core"] = CognitiveCore(models, agent, limits)
    return _current["core"]


def get_cognitive_core() -> CognitiveCore | None:
    """Return the core that was initialised last in this process, or None."""
    return _current.get("core")


async def _with_usage_on_error(lm: PortLanguageModel, thought: str, reasoning_task: Coroutine[Any, Any, T]) -> T:
    """Await the reasoning. An error gets the usage, the reasoning and the last model up to the failure."""
    try:
        return await reasoning_task
    except ReasoningError as error:
        error.answered_by = error.answered_by or lm.answered_by
        error.thought = read_text(lm.last_answer, thought)
        raise
    except asyncio.CancelledError:
        cancelled = InternalError("The reasoning was cancelled.", usage=lm.usage)
        cancelled.answered_by = lm.answered_by
        cancelled.thought = read_text(lm.last_answer, thought)
        raise cancelled from None


def _reasoning(task: TaskSignature, outputs: dict[str, Any], lm: PortLanguageModel) -> Reasoning:
    name = task.confidence
    found = read_confidence(outputs[name]) if name else Confidence(None, "this task type asks for no confidence")
    if name:
        outputs[name] = found.value
    return Reasoning(
        outputs={key: value for key, value in outputs.items() if value is not None or key == OUTPUT},
        thought=outputs[task.thought],
        confidence=found.value,
        confidence_reason=found.reason,
        usage=lm.usage,
        answered_by=lm.answered_by,
        repaired=lm.repairs > 0,
        output_valid=True if OUTPUT in outputs else None,
    )
