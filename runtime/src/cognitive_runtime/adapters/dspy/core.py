"""Cognitive core: typed reasoning about requests and contexts."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from cognitive_runtime.adapters.dspy.attempt import Attempt, ModuleRun
from cognitive_runtime.adapters.dspy.calls.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.calls.model import AttemptModel, ThinkingModels
from cognitive_runtime.adapters.dspy.calls.threads import run_blocking
from cognitive_runtime.adapters.dspy.contexts import (
    BUILT_IN_TYPES,
    completed_result,
    crash,
    failed_result,
    local_request,
    type_name,
)
from cognitive_runtime.adapters.dspy.handler_results import handled_reasoning
from cognitive_runtime.adapters.dspy.proposals import proposal_task, proposal_version, propose
from cognitive_runtime.adapters.dspy.results import typed_reasoning
from cognitive_runtime.adapters.dspy.schemas.output_schema import OutputSchema
from cognitive_runtime.adapters.dspy.signatures.inputs import preamble, signature_inputs
from cognitive_runtime.adapters.dspy.signatures.sources import SignatureSource, named_signature
from cognitive_runtime.adapters.dspy.signatures.task_modules import TaskModules
from cognitive_runtime.adapters.dspy.tool_tasks import ToolTasks
from cognitive_runtime.application import SharedBudget
from cognitive_runtime.domain import (
    AgentSettings,
    CallMeter,
    CognitiveContext,
    CognitiveTaskType,
    ExecutionRequest,
    IAllowance,
    ILimits,
    IModelSource,
    InternalError,
    ModelBehaviour,
    NoLimits,
    Reasoning,
    ReasoningError,
    SignatureModule,
    TaskSignature,
)

T = TypeVar("T")
Programs = Mapping[CognitiveTaskType, str | Path]


class CognitiveCore:
    """Implements ``IReasoner`` with DSPy. One instance serves any number of concurrent requests.

    The model is bound to each request by ``dspy.context``. DSPy's global settings are neither used nor changed.

    Attributes:
        task_handlers: Module or function for the name of a task type, in place of the core's own predictor. It is
            called with the inputs of the task.
        signatures: Registered signatures by the names of their task types.
    """

    def __init__(
        self,
        models: IModelSource,
        agent: AgentSettings | None = None,
        limits: ILimits | None = None,
        *,
        programs: Programs | None = None,
        tools: ToolTasks | None = None,
    ) -> None:
        """Take the models and limits.

        Args:
            models: Source of model clients.
            agent: Settings for calls without a request.
            limits: Rate limits and cache.
            programs: Saved DSPy program for each of some task types; see ``load_program``.
            tools: Answers requests with tools; None: they fail.

        Raises:
            InvalidProgram: A file holds no program for its task type.
        """
        self._models = models
        self._agent = agent
        self._limits = limits or NoLimits()
        self._thinking = ThinkingModels()
        self._tools = tools or ToolTasks(None)
        self._modules = TaskModules()
        self.signatures: dict[str, TaskSignature] = {}
        self.task_handlers: dict[str, Callable[..., Any]] = {}
        for task_type, path in (programs or {}).items():
            self.load_program(task_type, path)

    def load_program(self, task_type: CognitiveTaskType | str, path: str | Path) -> None:
        """Use the demonstrations and instructions of a program that ``module.save("program.json")`` saved.

        Raises:
            InvalidProgram: The file holds no program for the task type, or the type is not built in.
        """
        self._modules.load_program(task_type, path)

    def register_signature(
        self, source: SignatureSource, *, name: str | None = None, module: SignatureModule | None = None
    ) -> TaskSignature:
        """Add a task type. Its tasks have the prompt and the answer of a CognitiveSignature with the same content.

        Args:
            source: Path of a CognitiveSignature manifest, its content, its spec, or a ``dspy.Signature`` class.
            name: Name of the task type; None: that of the source.
            module: DSPy module that answers; None: that of the source, or else ChainOfThought.

        Raises:
            InvalidSignature: The source is invalid, or the name is in use; the message names the field.
        """
        found = named_signature(source, name, module, taken=[*BUILT_IN_TYPES, *self.task_handlers])
        self.signatures[found.name] = found
        return found

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models."""
        return self._models.learnt()

    async def aclose(self) -> None:
        """Close the connections of the running event loop. They reopen on demand."""
        await self._models.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def reason(self, request: ExecutionRequest, budget: SharedBudget | None = None) -> Reasoning:
        """Reason about one request. The members of a deliberation share a budget.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry. A cancelled reasoning raises
                ``InternalError``, which carries the used tokens.
        """
        handler = None if request.signature else self.task_handlers.get(type_name(request.task_type))
        if handler is not None:
            return await self._handle(request, handler, budget)
        if request.task_type is CognitiveTaskType.PROPOSAL:
            return await self._propose(request, budget)
        inputs, found = signature_inputs(request), self._modules.of(request)
        attempt, allowance = self._open(request, budget)
        if request.tools is not None:
            return await self._uncancelled(attempt, self._tools.reason(request, found, attempt))
        cached = await allowance.cached_result(found.version)
        if cached:
            return cached
        outputs = await self._uncancelled(attempt, attempt.predict(found.module, **found.arguments, **inputs))
        reasoning = typed_reasoning(found.task, outputs, attempt.model)
        reasoning = replace(reasoning, unchecked_patterns=attempt.unchecked_patterns)
        await allowance.cache_result(reasoning)
        return reasoning

    async def _propose(self, request: ExecutionRequest, budget: SharedBudget | None) -> Reasoning:
        task = proposal_task(request)
        attempt, allowance = self._open(request, budget)
        version = proposal_version(task)
        cached = await allowance.cached_result(version) if version else None
        if cached:
            return cached
        proposing = attempt.run(partial(propose, request, task, attempt.model))
        reasoning: Reasoning = await self._uncancelled(attempt, proposing)
        if version:
            await allowance.cache_result(reasoning)
        return reasoning

    async def run(
        self, work: Callable[[], Any], request: ExecutionRequest | None = None, **fields: Any
    ) -> ModuleRun[Any]:
        """Run a function whose DSPy modules, optimizers and language model use the core's model.

        A coroutine function runs on the event loop, any other in a thread. ``dspy.settings.lm`` is the core's model.

        Args:
            work: Function without arguments.
            request: Attempt whose budget, limits and deadline apply; None: a local one.
            fields: Fields of the local request, such as ``token_budget`` and ``timeout_seconds``.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        attempt, _ = self._open(request or self._local(**fields))
        found = await self._uncancelled(attempt, attempt.run(work))
        return ModuleRun(found, attempt.model.usage, attempt.model.answered_by)

    async def run_module(
        self,
        module: Callable[..., Any],
        inputs: Mapping[str, Any],
        request: ExecutionRequest | None = None,
        **fields: Any,
    ) -> ModuleRun[Any]:
        """Run a DSPy module, also a synchronous one such as ``dspy.BestOfN``, with the core's model. See ``run``."""
        attempt, _ = self._open(request or self._local(**fields))
        found = await self._uncancelled(attempt, attempt.call(module, dict(inputs)))
        return ModuleRun(found, attempt.model.usage, attempt.model.answered_by)

    def run_sync(self, work: Callable[[], Any], **fields: Any) -> ModuleRun[Any]:
        """Run a function as ``run`` does, and block the calling thread. For scripts."""
        return self._blocking(lambda: self.run(work, **fields))

    def __call__(self, context: CognitiveContext) -> dict[str, Any]:
        """Reason about one context and return the outputs or the error. A failed reasoning raises no exception.

        Blocks the calling thread, also a running event loop. Use ``reason`` in asynchronous code.
        """
        return self._blocking(lambda: self.answer(context))

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        """Reason about one context and return the outputs or the error. ``stream`` has the model stream its answers.

        Raises:
            asyncio.CancelledError: The caller was cancelled.
        """
        agent = self._settings()
        try:
            request = self.request(context)
            if stream:
                request = replace(request, agent=replace(agent, llm=replace(agent.llm, stream=True)))
            return completed_result(agent, context, await self.reason(request))
        except ReasoningError as error:
            return failed_result(agent, context, error)
        except Exception as error:
            return failed_result(agent, context, crash(error))

    def request(self, context: CognitiveContext) -> ExecutionRequest:
        """Return the request for a context, with the core's own settings.

        Raises:
            InvalidRequest: The context is invalid; the message names the field.
        """
        return local_request(self._settings(), context, self.task_handlers, self.signatures)

    def _cancellation(self, error: InternalError) -> BaseException:
        """Return the exception of a cancelled reasoning. The executor needs the used tokens."""
        return error

    def _settings(self) -> AgentSettings:
        if self._agent is None:
            raise ValueError("this core has no agent settings: it answers only requests")
        return self._agent

    def _local(self, **fields: Any) -> ExecutionRequest:
        context = CognitiveContext("local", "module", {})  # type: ignore[arg-type]
        return local_request(self._settings(), context, {"module": None}, **fields)

    def _open(self, request: ExecutionRequest, budget: SharedBudget | None = None) -> tuple[Attempt, IAllowance]:
        llm, task = request.agent.llm, self._modules.signature_of(request)
        deadline_s = time.monotonic() + request.timeout_seconds
        allowance = self._limits.open(request, deadline_s)
        meter = CallMeter()
        model = AttemptModel(
            self._models.open(request, deadline_s, allowance, meter),
            llm,
            request.attempt_id,
            budget or request.token_budget,
            deadline_s=deadline_s,
            thinking=self._thinking,
            seed=request.member.seed if request.member else None,
            meter=meter,
        )
        schema = OutputSchema(request.output_schema) if request.output_schema is not None else None
        outputs = tuple(task.signature.output_fields) if task else ()
        adapter = JSONAnswerAdapter(preamble(request.agent), llm.max_tokens, schema, task_outputs=outputs)
        unchecked = schema.unchecked if schema else ()
        thought = task.thought if task else ""
        return Attempt(model, adapter, request.timeout_seconds, thought, unchecked), allowance

    async def _handle(
        self, request: ExecutionRequest, handler: Callable[..., Any], budget: SharedBudget | None
    ) -> Reasoning:
        task = self._modules.signature_of(request)
        inputs = signature_inputs(request) if task else dict(request.input)
        attempt, _ = self._open(request, budget)
        found = await self._uncancelled(attempt, attempt.call(handler, inputs))
        return replace(handled_reasoning(task, found, attempt.model), unchecked_patterns=attempt.unchecked_patterns)

    async def _uncancelled(self, attempt: Attempt, call: Coroutine[Any, Any, T]) -> T:
        try:
            return await call
        except asyncio.CancelledError:
            raise self._cancellation(attempt.cancelled()) from None

    def _blocking(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return run_blocking(make, self._models.close)
