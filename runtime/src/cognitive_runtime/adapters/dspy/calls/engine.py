"""Engines with which ``dspy.LM`` calls the model client of an attempt."""

import asyncio
import concurrent.futures
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final, NoReturn

import dspy
from dspy import lm15

from cognitive_runtime.adapters.dspy.calls.engine_messages import engine_response, vllm_request
from cognitive_runtime.adapters.dspy.calls.model import AttemptEnded, AttemptModel, raisable
from cognitive_runtime.adapters.dspy.calls.threads import run_in_thread
from cognitive_runtime.domain import (
    BadRequest,
    Cancelled,
    ContextLengthExceeded,
    CredentialsNotMounted,
    CredentialsRefused,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
    ReasoningError,
    VLLMRequest,
    VLLMResponse,
)

_CLOSED_LOOP_POLL_S: Final = 1.0
"""Interval in which a waiting thread checks that the event loop still exists."""
BLOCKED_LOOP_S: Final = 10.0
"""Seconds in which an event loop must start a thread's call. A loop that waits for the thread never does."""
_PARAMETERS: Final = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "max_tokens",
        "stop",
        "seed",
        "frequency_penalty",
        "presence_penalty",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
    }
)
_PUBLIC_ERRORS: Final[tuple[tuple[type[ReasoningError], type[lm15.LM15Error]], ...]] = (
    (ContextLengthExceeded, lm15.ContextLengthError),
    (QuotaExceeded, lm15.BillingError),
    (RateLimited, lm15.RateLimitError),
    (CredentialsRefused, lm15.AuthError),
    (CredentialsNotMounted, lm15.AuthError),
    (BadRequest, lm15.InvalidRequestError),
    (ModelTimeout, lm15.TimeoutError),
    (ModelUnavailable, lm15.ServerError),
)
"""Error of DSPy's engines for each class of ours; others are a ``ProviderError``."""


class _Engine:
    """Capabilities of the model, and the state that DSPy saves and copies."""

    def __init__(self, model: AttemptModel) -> None:
        self.model = model

    @property
    def supports_function_calling(self) -> bool:
        """True unless the server is known to refuse tools."""
        return "tools" not in self.model.behaviour.refused

    @property
    def supports_reasoning(self) -> bool:
        """True if the model has been seen thinking, or is told how much to think."""
        return self.model.thinks

    @property
    def supports_response_schema(self) -> bool:
        """True unless the server is known to refuse schemas."""
        return self.model.behaviour.output == "Schema"

    @property
    def supported_params(self) -> frozenset[str]:
        """Parameters that the client sends and the server is not known to refuse."""
        return _PARAMETERS - self.model.behaviour.refused

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Engine":
        return self  # copies of a program use the same attempt

    def dump_state(self) -> dict[str, Any]:
        """Return nothing: the model of an attempt is no part of a saved program."""
        return {}

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> NoReturn:
        """Refuse to load a model.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a saved program has no model; load it with CognitiveCore.load_program")

    def _request(self, request: lm15.Request) -> VLLMRequest:
        return vllm_request(request, self.model.settings, self.model.request_id)


class AsyncModelEngine(_Engine):
    """Asynchronous engine. A call from another event loop, such as that of a tool, runs on the attempt's loop."""

    def __init__(self, model: AttemptModel, loop: asyncio.AbstractEventLoop) -> None:
        """Take the model and its event loop."""
        super().__init__(model)
        self._loop = loop

    async def complete(self, request: lm15.Request) -> lm15.Response:
        """Return the model's response.

        Raises:
            lm15.LM15Error: The call failed. Its cause is the ``ReasoningError``.
            AttemptEnded: The attempt is over.
        """
        asked = self._request(request)
        try:
            if asyncio.get_running_loop() is self._loop:
                return engine_response(await self.model.generate(asked))
            return engine_response(await run_in_thread(lambda: _ask(self.model, asked, self._loop)))
        except ReasoningError as error:
            _raise(error)

    async def stream(self, request: lm15.Request) -> AsyncIterator[Any]:
        """Yield the events of the whole response."""
        for event in lm15.response_to_events(await self.complete(request)):
            yield event

    async def aclose(self) -> None:
        """Do nothing: the client belongs to the attempt."""


class ModelEngine(_Engine):
    """Synchronous engine, for other threads: its calls run on the event loop of the attempt."""

    def __init__(self, model: AttemptModel, loop: asyncio.AbstractEventLoop) -> None:
        """Take the model and its event loop."""
        super().__init__(model)
        self._loop = loop

    def complete(self, request: lm15.Request) -> lm15.Response:
        """Return the model's response. Blocks the calling thread.

        Raises:
            lm15.ConfigurationError: The caller is the event loop's own thread, which must not be blocked.
            lm15.LM15Error: The call failed. Its cause is the ``ReasoningError``.
            AttemptEnded: The attempt is over.
        """
        _refuse_own_thread(self._loop)
        asked = self._request(request)
        try:
            return engine_response(_ask(self.model, asked, self._loop))
        except ReasoningError as error:
            _raise(error)

    def stream(self, request: lm15.Request) -> Iterator[Any]:
        """Return the events of the whole response."""
        return iter(lm15.response_to_events(self.complete(request)))

    def close(self) -> None:
        """Do nothing: the client belongs to the attempt."""


class AttemptLM(dspy.LM):
    """DSPy's language model for one attempt: without cache, retries and history of its own."""

    _cache_responses = False

    def __init__(self, model: AttemptModel, loop: asyncio.AbstractEventLoop) -> None:
        """Take the model and its event loop.

        ``dspy.LM`` gets no settings, because it refuses them for some names; the engines take them from the agent.
        """
        name = model.settings.model
        engine, async_engine = ModelEngine(model, loop), AsyncModelEngine(model, loop)
        super().__init__(name, cache=False, num_retries=0, engine=engine, async_engine=async_engine)

    def update_history(self, entry: Any) -> None:
        """Do nothing: prompts are not kept."""


def attempt_model(lm: Any) -> AttemptModel | None:
    """Return the model of the attempt that a language model belongs to, or None for any other."""
    engine = getattr(lm, "engine", None)
    return engine.model if isinstance(engine, _Engine) else None


def reasoning_error(error: BaseException) -> ReasoningError | None:
    """Return the ``ReasoningError`` that an error of DSPy was made from, or None."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, AttemptEnded):
            return found.reason
        if isinstance(found, ReasoningError):
            return found
        found = found.__cause__
    return None


def _raise(error: ReasoningError) -> NoReturn:
    shown = raisable(error)
    if isinstance(shown, AttemptEnded):
        raise shown from error
    public = next((public for own, public in _PUBLIC_ERRORS if isinstance(error, own)), lm15.ProviderError)
    raise public(str(error), provider_code=error.error_type, retry_after=error.retry_after_s) from error


def _refuse_own_thread(loop: asyncio.AbstractEventLoop) -> None:
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        return
    if running is loop:
        raise lm15.ConfigurationError(
            "A synchronous call of the model would block the event loop that must answer it. "
            "Await module.acall(…) or run the module with CognitiveCore.run_module."
        )


def _ask(model: AttemptModel, request: VLLMRequest, loop: asyncio.AbstractEventLoop) -> VLLMResponse:
    """Return the response to a request that the event loop of the attempt makes. Blocks the calling thread."""
    if model.ended:
        raise AttemptEnded(model.ended)
    over = AttemptEnded(Cancelled("The reasoning was cancelled."))
    begun = threading.Event()

    async def call() -> VLLMResponse:
        begun.set()
        return await model.generate_for_thread(request)

    coroutine = call()
    try:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    except RuntimeError:  # the event loop is closed
        coroutine.close()
        raise over from None
    if not begun.wait(BLOCKED_LOOP_S) and not loop.is_closed():
        future.cancel()
        raise lm15.ConfigurationError(
            f"The event loop that must answer this call is blocked for {BLOCKED_LOOP_S:g} s. Run a function that waits "
            "for threads, such as one with dspy.Parallel, with CognitiveCore.run as a synchronous function."
        )
    return _wait(future, loop, over)


def _wait(
    future: concurrent.futures.Future[VLLMResponse], loop: asyncio.AbstractEventLoop, over: AttemptEnded
) -> VLLMResponse:
    """Return the result of a future of another thread's event loop."""
    while True:
        try:
            return future.result(_CLOSED_LOOP_POLL_S)
        except concurrent.futures.CancelledError:
            raise over from None
        except TimeoutError:
            if future.done():
                raise
            if loop.is_closed():
                raise over from None
