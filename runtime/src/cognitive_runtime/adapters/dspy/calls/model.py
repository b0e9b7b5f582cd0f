"""Model of one attempt: every call counts against the attempt's budget, limits and deadline."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from typing import Final

from cognitive_runtime.application import SharedBudget, ToolRun
from cognitive_runtime.domain import (
    BudgetExceeded,
    CallMeter,
    Cancelled,
    DeadlineExceeded,
    IVLLMClient,
    LLMSettings,
    Message,
    ModelBehaviour,
    ModelCalls,
    ModelEndpoint,
    NoProgress,
    ReasoningError,
    TruncatedResponse,
    Usage,
    VLLMRequest,
    VLLMResponse,
)
from cognitive_runtime.domain.quota import BYTES_PER_TOKEN

ENDING_ERRORS: Final = (BudgetExceeded, Cancelled, DeadlineExceeded, NoProgress)
"""Errors after which an attempt makes no further model call."""
_NO_THINKING: Final = frozenset({"none", "off"})
"""Values of the effort with which a model does not think."""


class AttemptEnded(BaseException):
    """Ends a module whose attempt is over.

    It is no ``Exception``, because modules such as ``dspy.BestOfN`` catch every exception and go on.
    """

    def __init__(self, reason: ReasoningError) -> None:
        """Take the error of the attempt."""
        super().__init__(str(reason))
        self.reason = reason


def raisable(error: ReasoningError) -> BaseException:
    """Return what a module must see of an error: the error itself, or ``AttemptEnded`` if the attempt is over."""
    return AttemptEnded(error) if isinstance(error, ENDING_ERRORS) else error


@dataclass
class ThinkingModels:
    """Models that have been seen thinking in this process."""

    _seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, behaviour: ModelBehaviour) -> None:
        """Remember a model."""
        if len(self._seen) < 1000:
            self._seen.add((behaviour.endpoint, behaviour.model))

    def __contains__(self, behaviour: ModelBehaviour) -> bool:
        return (behaviour.endpoint, behaviour.model) in self._seen


class AttemptModel:
    """Model client of one attempt, with its budget, deadline and usage. Belongs to the attempt's event loop."""

    def __init__(
        self,
        client: IVLLMClient,
        settings: LLMSettings,
        request_id: str,
        token_budget: int | SharedBudget | None = None,
        *,
        deadline_s: float = inf,
        thinking: ThinkingModels | None = None,
        seed: int | None = None,
        meter: CallMeter | None = None,
    ) -> None:
        """Take the client and the settings of the attempt's calls.

        Args:
            client: Client of the model.
            settings: Settings of the calls.
            request_id: Id of the attempt.
            token_budget: Tokens of all calls, or a budget that the members of a deliberation share; None: unlimited.
            deadline_s: Time of the monotonic clock at which the attempt ends.
            thinking: Models that have been seen thinking.
            seed: Seed of a member's calls for a model that refuses a temperature; None: not sent.
            meter: That of the client; None: calls are not counted.
        """
        self._client = client
        self._budget = token_budget if isinstance(token_budget, SharedBudget) else SharedBudget(token_budget)
        self._seed = seed
        self._deadline_s = deadline_s
        self._begun_s = time.monotonic()
        self._thinking = thinking or ThinkingModels()
        self._calls: set[asyncio.Task[object]] = set()
        self.request_id = request_id
        self.settings = settings
        self.usage = Usage()
        self.ended: ReasoningError | None = None
        self.failure: ReasoningError | None = None
        """Error of the last call that failed."""
        self.last: VLLMResponse | None = None
        self._meter = meter or CallMeter()
        self.tools: ToolRun | None = None
        """Tools of the attempt, whose calls an error reports."""

    @property
    def behaviour(self) -> ModelBehaviour:
        """Learnt behaviour of the model that the next call goes to."""
        return self._client.behaviour

    @property
    def calls(self) -> ModelCalls:
        """Model calls of the attempt so far."""
        return self._meter.calls

    def count_repair(self) -> None:
        """Count a second call for the same answer."""
        self._meter.repairs += 1

    @property
    def answered_by(self) -> ModelEndpoint | None:
        """Endpoint that answered last."""
        return self.last.answered_by if self.last else None

    @property
    def last_answer(self) -> str:
        """Text of the last answer."""
        return self.last.content if self.last else ""

    @property
    def native_reasoning(self) -> str:
        """Thinking of the model before its last answer."""
        return (self.last.reasoning or "") if self.last else ""

    @property
    def thinks(self) -> bool:
        """True if the model has been seen thinking, or is told how much to think."""
        effort = self.settings.reasoning.effort
        return effort not in (None, *_NO_THINKING) or self.behaviour in self._thinking

    @property
    def thinking_tokens(self) -> int:
        """Tokens for thinking, in addition to those of the answer. The default is as many as the answer has."""
        own = self.settings.reasoning.max_tokens
        if own is not None:
            return own
        return self.settings.max_tokens if self.thinks else 0

    def learn_bounded(self) -> None:
        """Remember that this model's free answers are cut off."""
        self._client.learn_bounded()

    def answer_tokens(self, prompt_bytes: int, wanted: int) -> int:
        """Return the maximum tokens of an answer to a prompt of that size.

        Raises:
            BudgetExceeded: The remaining tokens are not enough for this call.
        """
        prompt_tokens = prompt_bytes // BYTES_PER_TOKEN
        with self._counted():
            return self._budget.answer_tokens(prompt_tokens, wanted)

    def end(self, reason: ReasoningError) -> None:
        """End the attempt: running calls of other threads are cancelled, and no further call is made."""
        self.ended = self.ended or reason
        for call in self._calls:
            call.cancel()

    async def generate_for_thread(self, request: VLLMRequest) -> VLLMResponse:
        """Return the response to a call that another thread waits for. The call ends with the attempt.

        Raises:
            ReasoningError: The call failed, or the attempt is over.
        """
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            return await self.generate(request)
        finally:
            self._calls.discard(task)

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the response to a request. Its ``max_tokens`` are those of the answer, without thinking.

        Raises:
            ReasoningError: The call failed, or the attempt is over. Its usage is that of the whole attempt.
        """
        with self._counted():
            prompt_tokens = _prompt_tokens(request)
            granted = await self._granted(prompt_tokens, request.max_tokens + self.thinking_tokens)
            seed = self._seed if request.diversity_seed is None else request.diversity_seed
            try:
                response = await self._within_deadline(replace(request, max_tokens=granted, diversity_seed=seed))
                self._count(prompt_tokens, response)
            finally:
                self._budget.release(prompt_tokens + granted)
            return response

    async def _granted(self, prompt_tokens: int, wanted: int) -> int:
        """Reserve the call's tokens and return the maximum of its answer. Wait for running calls if theirs are needed.

        Raises:
            BudgetExceeded: The remaining tokens are not enough, and no call is running.
            ReasoningError: The attempt is over.
        """
        while True:
            if self.ended:
                raise self.ended
            granted = self._budget.reserve(prompt_tokens, wanted)
            if granted is not None:
                return granted
            await self._budget.wait_released()

    async def _within_deadline(self, request: VLLMRequest) -> VLLMResponse:
        if self._deadline_s == inf:
            return await self._client.generate(request)
        left_s = self._deadline_s - time.monotonic()
        limit = asyncio.timeout(max(0.0, left_s))
        try:
            async with limit:
                return await self._client.generate(request)
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"The task ran for its limit of {self._deadline_s - self._begun_s:.3g} s.") from None

    def _count(self, prompt_tokens: int, response: VLLMResponse) -> None:
        """Count the tokens of a call. They are estimated if the server does not report them."""
        self.usage += response.usage
        self.last = response
        if response.reasoning or response.usage.reasoning_tokens:
            self._thinking.add(self.behaviour)
        written = f"{response.content}{response.reasoning or ''}".encode("utf-8", "replace")
        self._budget.spend(response.usage.total_tokens or prompt_tokens + len(written) // BYTES_PER_TOKEN)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Add the usage of a failed call to that of the attempt, and end the attempt if the error says so."""
        try:
            yield
        except ReasoningError as error:
            self._add_failure(error)
            raise

    def _add_failure(self, error: ReasoningError) -> None:
        if error is not self.ended and not isinstance(error, BudgetExceeded):
            self.usage += error.usage
            self._budget.add(error.usage.total_tokens)
        if isinstance(error, TruncatedResponse):  # without an answer: the model used up its tokens for thinking
            self._thinking.add(self.behaviour)
        error.usage, self.failure = self.usage, error
        if isinstance(error, ENDING_ERRORS):
            self.ended = self.ended or error


def _prompt_tokens(request: VLLMRequest) -> int:
    tools = len(json.dumps(request.tools, default=dict)) if request.tools else 0
    return (tools + sum(map(_size_bytes, request.messages))) // BYTES_PER_TOKEN


def _size_bytes(message: Message) -> int:
    texts = (message.content, *(call.arguments for call in message.tool_calls))
    return sum(len(text.encode("utf-8", "replace")) for text in texts)
