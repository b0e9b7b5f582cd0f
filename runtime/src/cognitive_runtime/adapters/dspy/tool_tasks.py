"""Tasks with tools: built-in types and custom signatures of the module ReAct."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy.attempt import Attempt
from cognitive_runtime.adapters.dspy.results import typed_reasoning
from cognitive_runtime.adapters.dspy.signatures.built_in import TypeSignature
from cognitive_runtime.adapters.dspy.signatures.inputs import signature_inputs
from cognitive_runtime.adapters.dspy.signatures.modules import TaskModule
from cognitive_runtime.adapters.dspy.tool_loop import ToolLoop
from cognitive_runtime.application import ToolRun
from cognitive_runtime.domain import (
    DeadlineExceeded,
    ExecutionRequest,
    IClock,
    ISideEffects,
    IToolboxes,
    NoSideEffects,
    Reasoning,
    ReasoningError,
    ToolsUnavailable,
)


class ToolTasks:
    """Answers tasks with tools. One instance serves any number of concurrent attempts."""

    def __init__(
        self, toolboxes: IToolboxes | None, effects: ISideEffects | None = None, clock: IClock | None = None
    ) -> None:
        """Take the source of tools; None: tasks with tools fail."""
        self._toolboxes = toolboxes
        self._effects = effects or NoSideEffects()
        self._clock = clock or SystemClock()

    async def reason(self, request: ExecutionRequest, found: TaskModule, attempt: Attempt) -> Reasoning:
        """Answer a task with its tools. The result is never cached, because tools are not part of the request.

        Raises:
            ReasoningError: The class tells the cause. It has the operations up to the failure.
        """
        settings = request.tools
        if self._toolboxes is None or settings is None:
            raise ToolsUnavailable("This runtime has no tools: it was started without a source of tools.")
        run = ToolRun(request, settings, self._toolboxes.open(request), self._effects, self._clock)
        attempt.model.tools = run
        try:
            reasoning = await self._answered(request, found, attempt, run)
        except ReasoningError as error:
            raise attempt.explained(error) from None
        finally:
            await run.close()
        return replace(
            reasoning,
            operations=tuple(run.operations),
            artifacts=tuple(run.artifacts),
            audit_trail=tuple(run.audit_trail),
        )

    async def _answered(
        self, request: ExecutionRequest, found: TaskModule, attempt: Attempt, run: ToolRun
    ) -> Reasoning:
        inputs = signature_inputs(request)
        limit = asyncio.timeout(attempt.timeout_s)
        try:
            async with limit:
                await run.open()
                loop = _loop(found, run)
                outputs = await attempt.predict(loop, **inputs)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"The task ran for its limit of {attempt.timeout_s:g} s.") from None
        return typed_reasoning(_task(found, loop), outputs, attempt.model)


def _loop(found: TaskModule, run: ToolRun) -> ToolLoop:
    """Return the loop of a task. Its demonstrations show the outputs alone, because they have no trajectory."""
    task = found.task
    own = task.signature.delete("reasoning") if task.hidden else task.signature
    own = own.delete("trajectory") if "trajectory" in own.input_fields else own
    loop = ToolLoop(own, run, reasons=bool(task.hidden))
    loop.answering.demos = [dict(each) for each in _demos(found)]
    for each in loop.predictors():
        each.signature.__name__ = task.signature.__name__
    return loop


def _demos(found: TaskModule) -> Iterable[Mapping[str, Any]]:
    if found.demos is not None:
        return found.demos
    return next((each.demos for each in found.module.predictors() if each.demos), ())


def _task(found: TaskModule, loop: ToolLoop) -> TypeSignature:
    return replace(found.task, signature=loop.answering.signature)
