"""Execution of modules and functions with the model of one attempt."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import dspy
from dspy.utils.exceptions import LMUnexpectedError

from cognitive_runtime.adapters.dspy.answers.parsing import read_text
from cognitive_runtime.adapters.dspy.calls.engine import AttemptLM, reasoning_error
from cognitive_runtime.adapters.dspy.calls.model import AttemptEnded, AttemptModel
from cognitive_runtime.adapters.dspy.calls.threads import run_in_thread
from cognitive_runtime.domain import Cancelled, DeadlineExceeded, InternalError, ModelEndpoint, ReasoningError, Usage

T = TypeVar("T")


@dataclass(frozen=True)
class ModuleRun(Generic[T]):
    """Result of a module or function, with the usage of all its model calls."""

    result: T
    usage: Usage
    answered_by: ModelEndpoint | None = None
    """Endpoint that answered last."""


@dataclass(frozen=True)
class Attempt:
    """One attempt: its model, and the adapter for DSPy's modules."""

    model: AttemptModel
    adapter: dspy.Adapter
    timeout_s: float
    thought: str = ""
    """Output with the model's reasoning, which an error keeps as far as it is readable."""
    unchecked_patterns: tuple[str, ...] = ()
    """Patterns of the task's output schema that are not checked."""

    async def predict(self, predictor: dspy.Module, **inputs: Any) -> dict[str, Any]:
        """Return the outputs of a predictor, or of another module that runs asynchronously.

        Raises:
            ReasoningError: The class tells the cause. It has the usage and the reasoning up to the failure.
            asyncio.CancelledError: The caller was cancelled.
        """
        with self._context(trace=None):
            prediction = await self._guarded(predictor.acall(**inputs))
        return dict(prediction.items())

    async def run(self, work: Callable[[], Any]) -> Any:
        """Return the result of a function: of a coroutine function on the event loop, of any other in a thread.

        Raises:
            ReasoningError: The class tells the cause. It has the usage and the reasoning up to the failure.
            asyncio.CancelledError: The caller was cancelled. The function can make no further model call.
        """
        with self._context(trace=[]):
            call = work() if _is_asynchronous(work) else run_in_thread(work)
            return await self._guarded(self._within_deadline(call))

    async def call(self, module: Callable[..., Any], inputs: dict[str, Any]) -> Any:
        """Return the result of a module. The same errors as those of ``run``.

        A module with ``forward`` runs in a thread, also if it has ``aforward``: its tools may block.
        """
        if _has_forward(module) and not _is_asynchronous(module):
            found = await self.run(lambda: module(**inputs))
        else:
            call = cast(Any, module.acall if isinstance(module, dspy.Module) else module)

            async def awaited() -> Any:
                return await call(**inputs)

            found = await self.run(awaited)
        if found is None and self.model.failure:  # dspy.BestOfN prints the errors of its attempts
            raise self._with_usage(self.model.failure)
        return found

    def cancelled(self) -> InternalError:
        """Return the error of a cancelled attempt, with the usage and the reasoning up to the cancellation."""
        return cast(InternalError, self._with_usage(InternalError("The reasoning was cancelled.")))

    def explained(self, error: ReasoningError) -> ReasoningError:
        """Return an error with the usage, the reasoning and the operations up to the failure."""
        return self._with_usage(error)

    def _context(self, trace: list[Any] | None) -> Any:
        return dspy.context(
            lm=AttemptLM(self.model, asyncio.get_running_loop()),
            adapter=self.adapter,
            trace=trace,
            disable_history=True,
            allow_tool_async_sync_conversion=True,
            warn_on_type_mismatch=False,  # the warning shows the value
        )

    async def _within_deadline(self, call: Awaitable[T]) -> T:
        limit = asyncio.timeout(self.timeout_s)
        try:
            async with limit:
                return await call
        except TimeoutError:
            if not limit.expired():
                raise
            over = DeadlineExceeded(f"The task ran for its limit of {self.timeout_s:g} s.")
            self.model.end(over)
            raise over from None

    async def _guarded(self, call: Awaitable[T]) -> T:
        try:
            found = await call
        except AttemptEnded as ended:
            raise self._with_usage(ended.reason) from None
        except asyncio.CancelledError:
            self.model.end(Cancelled("The reasoning was cancelled."))
            raise
        except Exception as error:
            found_error = reasoning_error(error)
            if found_error is not None:
                raise self._with_usage(found_error) from None
            if isinstance(error, LMUnexpectedError) and error.__cause__ is not None:
                raise error.__cause__ from None
            raise
        if self.model.ended:
            raise self._with_usage(self.model.ended)
        return found

    def _with_usage(self, error: ReasoningError) -> ReasoningError:
        """Return the error with the usage, the reasoning and the last model up to the failure."""
        error.usage, error.calls = self.model.usage, self.model.calls
        error.answered_by = error.answered_by or self.model.answered_by
        error.thought = read_text(self.model.last_answer, self.thought) if self.thought else ""
        error.native_reasoning = self.model.native_reasoning
        if self.model.tools is not None:
            self.model.tools.record_in(error)
        return error


def _has_forward(module: Callable[..., Any]) -> bool:
    """Return True for a function and for a module that can run synchronously."""
    return not isinstance(module, dspy.Module) or hasattr(type(module), "forward") or "forward" in vars(module)


def _is_asynchronous(work: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(work) or inspect.iscoroutinefunction(vars(type(work)).get("__call__"))
