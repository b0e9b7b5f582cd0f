"""Client of one model."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

from cognitive_runtime.adapters.tracing import span
from cognitive_runtime.adapters.vllm.call_log import CallLog
from cognitive_runtime.adapters.vllm.completion import Completion
from cognitive_runtime.adapters.vllm.retry import RetryPolicy
from cognitive_runtime.adapters.vllm.server import ModelServer
from cognitive_runtime.domain import (
    ContentRefused,
    EmptyResponse,
    IAllowance,
    LLMLogging,
    ReasoningError,
    TruncatedResponse,
    Unlimited,
    Usage,
    VLLMRequest,
    VLLMResponse,
)

MIN_TIMEOUT_S: Final = 0.001
DEFAULT_LOGGING: Final = LLMLogging()
ReadKey = Callable[[], str | None]
"""Returns the current API key, or None for a server without keys. Raises ``CredentialsNotMounted``."""


def no_key() -> str | None:
    """Return None, for a server without keys."""
    return None


class VLLMHTTPClient:
    """Implements ``IVLLMClient`` with any server of OpenAI's chat completions.

    Without ``server``, each call opens and closes its own connection, so that the client works on any event loop and
    can be pickled. With ``server``, calls share its connections.
    """

    def __init__(
        self,
        vllm_url: str,
        agent_id: str,
        role: str,
        model: str,
        *,
        timeout_s: float = 60,
        read_key: ReadKey = no_key,
        retry: RetryPolicy | None = None,
        server: ModelServer | None = None,
        logging: LLMLogging = DEFAULT_LOGGING,
        allowance: IAllowance | None = None,
    ) -> None:
        self._url = vllm_url
        self._author = (agent_id, str(role))
        self._model = model
        self._timeout_s = timeout_s
        self._read_key = read_key
        self._retry = retry or RetryPolicy()
        self._server = server
        self._logging = logging
        self._allowance = allowance or Unlimited()

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the model's response. Transient failures are retried.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        async with self._connection() as server:
            numbers = count(1)
            answer = await self._retry.run(lambda: self._call(server, request, next(numbers)))
        return self._response(request, answer)

    async def _call(self, server: ModelServer, request: VLLMRequest, number: int) -> Completion:
        log = CallLog(self._logging, server.name, request, number)
        permit = await self._allowance.acquire(request)
        begun_s = time.monotonic()
        timeout_s = max(MIN_TIMEOUT_S, min(self._timeout_s, self._retry.deadline_s - begun_s))
        log.begun()
        try:
            answer = await self._traced(server, request, timeout_s)
        except ReasoningError as error:
            log.failed(error, time.monotonic() - begun_s)
            raise
        log.answered(answer, time.monotonic() - begun_s)
        await self._allowance.settle(permit, answer.token_usage())
        return answer

    async def _traced(self, server: ModelServer, request: VLLMRequest, timeout_s: float) -> Completion:
        """Make a call within a span. Source of the names: OpenTelemetry's conventions for generative AI."""
        known = {"gen_ai.operation.name": "chat", "gen_ai.request.model": request.model, "server.address": server.name}
        with span(f"chat {request.model}", known) as calling:
            answer = await server.complete(request, self._read_key(), timeout_s)
            usage = answer.token_usage()
            calling.set_attribute("gen_ai.usage.input_tokens", usage.prompt_tokens)
            calling.set_attribute("gen_ai.usage.output_tokens", usage.completion_tokens)
        return answer

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[ModelServer]:
        if self._server:
            yield self._server
            return
        server = ModelServer(self._url)
        try:
            yield server
        finally:
            await server.close()

    def _response(self, request: VLLMRequest, answer: Completion) -> VLLMResponse:
        usage = answer.token_usage()
        if not answer.choices:
            raise EmptyResponse("The model answered without a choice.", usage=usage)
        choice = answer.choices[0]
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise ContentRefused("The model or its content filter refused to answer.", usage=usage)
        content = choice.message.content or ""
        if not content.strip():
            raise _empty(choice.finish_reason, usage)
        agent_id, role = self._author
        return VLLMResponse(
            content=content,
            author_id=agent_id,
            author_role=role,
            model=request.model,
            temperature=request.temperature,
            usage=usage,
            finish_reason=choice.finish_reason or "stop",
            reasoning=choice.message.reasoning_content,
        )


def _empty(finish_reason: str | None, usage: Usage) -> EmptyResponse | TruncatedResponse:
    if finish_reason == "length":
        return TruncatedResponse("The model used up its tokens before it answered.", usage=usage)
    return EmptyResponse("The model answered without content.", usage=usage)
