"""Client of one model."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from math import inf
from typing import Final

from cognitive_runtime.adapters.model.adaptation import Adaptation, Body, Refusal, remember
from cognitive_runtime.adapters.model.call_log import CallLog
from cognitive_runtime.adapters.model.completion import Completion
from cognitive_runtime.adapters.model.endpoint import printable
from cognitive_runtime.adapters.model.response import read_response
from cognitive_runtime.adapters.model.retry import RetryPolicy
from cognitive_runtime.adapters.model.server import ModelServer
from cognitive_runtime.adapters.tracing import span
from cognitive_runtime.domain import (
    CallMeter,
    IAllowance,
    LearntBehaviour,
    LLMLogging,
    ModelBehaviour,
    Permit,
    ReasoningError,
    Unlimited,
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
        learnt: LearntBehaviour | None = None,
        meter: CallMeter | None = None,
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
        self._meter = meter or CallMeter()
        self._learnt = learnt or LearntBehaviour(time.time)

    @property
    def behaviour(self) -> ModelBehaviour:
        """Learnt behaviour of the model."""
        return self._learnt.of(printable(self._url), self._model)

    def learn_bounded(self) -> None:
        """Remember that the model's free answers are cut off."""
        if not self.behaviour.bounded:
            remember(self._learnt, replace(self.behaviour, bounded=True))

    async def generate(self, request: VLLMRequest, deadline_s: float = inf) -> VLLMResponse:
        """Return the model's response. Transient failures are retried.

        Args:
            request: The request.
            deadline_s: Time of the monotonic clock at which this model's calls end, if it is before the client's own.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """
        retry = self._retry.until(deadline_s).at_most(request.max_retries)
        has_retries = retry.max_retries > 0
        adaptation = Adaptation(self._learnt, printable(self._url), request, has_retries=has_retries)
        async with self._connection() as server:
            numbers = count(1)

            async def send(body: Body) -> Completion:
                return await self._call(
                    server, body, CallLog(self._logging, server.name, request, next(numbers)), retry
                )

            answer = await retry.run(lambda: adaptation.call(lambda known: server.body(request, known), send))
        response = read_response(request, self._author, answer)
        return replace(response, temperature=None) if "temperature" in self.behaviour.refused else response

    async def _call(self, server: ModelServer, body: Body, log: CallLog, retry: RetryPolicy) -> Completion:
        permit = await self._permit(log.request)
        begun_s = time.monotonic()
        own_s = self._timeout_s if log.request.timeout_s is None else log.request.timeout_s
        timeout_s = max(MIN_TIMEOUT_S, min(own_s, retry.deadline_s - begun_s))
        log.begun()
        try:
            answer = await self._traced(server, body, log.request, timeout_s)
        except (ReasoningError, Refusal) as failure:
            log.failed(failure.error if isinstance(failure, Refusal) else failure, time.monotonic() - begun_s)
            raise
        finally:
            self._meter.add_call(time.monotonic() - begun_s)
        log.answered(answer, time.monotonic() - begun_s)
        await self._allowance.settle(permit, answer.token_usage())
        return answer

    async def _permit(self, request: VLLMRequest) -> Permit:
        asked_s = time.monotonic()
        try:
            return await self._allowance.acquire(request)
        finally:
            self._meter.add_wait(time.monotonic() - asked_s)

    async def _traced(self, server: ModelServer, body: Body, request: VLLMRequest, timeout_s: float) -> Completion:
        """Make a call within a span. Source of the names: OpenTelemetry's conventions for generative AI."""
        known = {"gen_ai.operation.name": "chat", "gen_ai.request.model": request.model, "server.address": server.name}
        with span(f"chat {request.model}", known) as calling:
            answer = await server.send(body, self._read_key(), timeout_s, request.request_id)
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
