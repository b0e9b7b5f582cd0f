"""Interfaces that the use cases need."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from cognitive_runtime.domain.behaviour import ModelBehaviour
from cognitive_runtime.domain.calls import CallMeter
from cognitive_runtime.domain.generation import VLLMRequest, VLLMResponse
from cognitive_runtime.domain.quota import Permit, QuotaDecision, QuotaRequest
from cognitive_runtime.domain.request import ExecutionRequest, InputRef
from cognitive_runtime.domain.result import AgentResult, FailureResult, Reasoning
from cognitive_runtime.domain.task import AgentTask, CognitiveContext
from cognitive_runtime.domain.tools import AuditEvent, Tool
from cognitive_runtime.domain.usage import Usage

T = TypeVar("T")


class IResultPublisher(Protocol):
    """Publishes outcomes."""

    async def connect(self) -> None:
        """Connect. Idempotent."""

    async def publish_success(
        self,
        result: AgentResult,
        num_agents: int | None = None,
        original_task_id: str | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish a result and wait until it is stored durably."""

    async def publish_failure(
        self,
        result: FailureResult,
        num_agents: int | None = None,
        original_task_id: str | None = None,
    ) -> None:
        """Publish a failure and wait until it is stored durably."""

    async def close(self) -> None:
        """Disconnect. Idempotent."""


class IVLLMClient(Protocol):
    """Client of a language model."""

    @property
    def behaviour(self) -> ModelBehaviour:
        """Learnt behaviour, such as refused parameters, of the model that receives the next call."""

    def learn_bounded(self) -> None:
        """Remember that this model's free answers are cut off, so that later ones get bounds."""

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the model's response.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """


class IAllowance(Protocol):
    """Quota of one attempt: rate limit and result cache."""

    async def cached_result(self, signature_version: str) -> Reasoning | None:
        """Return the cached result of an equal request, or None.

        ``signature_version`` is the version of the prompt and schema that the code derives from a request of this type.
        """

    async def cache_result(self, reasoning: Reasoning) -> None:
        """Store a result in the cache, without waiting for it."""

    async def acquire(self, request: VLLMRequest) -> Permit:
        """Wait for the permit for one model call. Required before every call.

        Raises:
            RateLimited: The agent's rate limit has no room before the attempt's deadline.
            LedgerUnavailable: The call cannot be counted.
        """

    async def settle(self, permit: Permit, usage: Usage) -> None:
        """Report the real tokens of a call, without waiting for it."""


class ILimits(Protocol):
    """Rate limits and result cache of an agent."""

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return the quota of one attempt. ``deadline_s`` is a time of the monotonic clock."""


class IQuotaStore(Protocol):
    """Quota store that the workers of an agent share: counts calls and caches results."""

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Return the cached result, a permit for a booked call, or the time to wait.

        Raises:
            LedgerUnavailable: The call must be counted and the store is unavailable.
            CredentialsNotMounted: The secret file with the store's address is absent or invalid.
        """

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Replace a call's estimate by its real tokens."""

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a result in the cache."""


class Unlimited:
    """Quota of an agent without a rate limit and without a cache. Implements ``IAllowance``."""

    async def cached_result(self, signature_version: str) -> Reasoning | None:
        """Return None."""
        return None

    async def cache_result(self, reasoning: Reasoning) -> None:
        """Do nothing."""

    async def acquire(self, request: VLLMRequest) -> Permit:
        """Return a permit at once."""
        return Permit()

    async def settle(self, permit: Permit, usage: Usage) -> None:
        """Do nothing."""


class NoLimits:
    """No limits for any attempt. Implements ``ILimits``."""

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return an unlimited quota."""
        return Unlimited()


class IModelSource(Protocol):
    """Source of model clients."""

    def open(
        self,
        request: ExecutionRequest,
        deadline_s: float,
        allowance: IAllowance | None = None,
        meter: CallMeter | None = None,
    ) -> IVLLMClient:
        """Return a client for one attempt. Attempts share its connections.

        ``deadline_s`` is a time of the monotonic clock; the client starts no retry that would end after it. Without
        ``allowance``, calls are not limited. ``meter`` counts the calls.
        """

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models, for the worker's lease and responses."""

    async def close(self) -> None:
        """Close the connections of the running event loop. They reopen on demand."""


class IAsyncExecutor(Protocol):
    """Runs a coroutine for a synchronous caller."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to completion and return its result, even if the calling thread has a running event loop."""


class IReasoner(Protocol):
    """Reasons about requests, with typed outputs."""

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models, for the worker's lease and responses."""


class IInputStore(Protocol):
    """Store of the inputs that are too large for their requests."""

    async def fetch(self, ref: InputRef) -> bytes:
        """Return the content of an input. Waits for the broker, and a limited time for the object.

        Raises:
            InputUnavailable: The object is absent or incomplete.
        """


class IToolbox(Protocol):
    """Tools of one attempt. Belongs to the event loop of the attempt."""

    @property
    def problems(self) -> tuple[tuple[AuditEvent, str], ...]:
        """Servers that do not answer, and listed tools that cannot be used, each with a sentence for people."""

    async def list(self) -> tuple[Tool, ...]:
        """Connect and return the allowed tools.

        Raises:
            ToolsUnavailable: No server answers, or the workspace cannot be opened.
        """

    async def call(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        """Return the answer of a tool as text.

        Args:
            tool: One of the listed tools.
            arguments: Arguments as the model gave them.
            permit: Awaited after all checks, directly before the tool runs.

        Raises:
            ToolRefused: The call is not allowed. The tool did not run.
            ToolFailed: The tool failed.
        """

    async def close(self) -> None:
        """Disconnect and delete a temporary workspace. Idempotent."""


class IToolboxes(Protocol):
    """Source of the tools of attempts."""

    def open(self, request: ExecutionRequest) -> IToolbox:
        """Return the toolbox of an attempt with tools, not connected yet."""


class IToolAgent(Protocol):
    """Agent that answers tasks with tools."""

    async def __call__(self, task: AgentTask, limit_s: float) -> Reasoning:
        """Answer a task within a time limit, in seconds.

        Raises:
            ReasoningError: The class tells the cause. It has the operations up to the failure.
        """


class ISideEffects(Protocol):
    """Record of the attempts with side effects, which the operator reads before it retries a lost attempt."""

    async def record_side_effects(self, attempt_id: str) -> None:
        """Record that an attempt has side effects. Wait until the record is stored. Idempotent.

        Raises:
            LeaseLost: The claim is no longer this worker's, so the operator has ended the attempt.
        """


class NoSideEffects:
    """Record of a program without a broker: nothing retries its attempts. Implements ``ISideEffects``."""

    async def record_side_effects(self, attempt_id: str) -> None:
        """Do nothing."""


class IClock(Protocol):
    """Clock."""

    def monotonic(self) -> float:
        """Return the monotonic time in seconds, for durations."""

    def now(self) -> str:
        """Return the wall clock time as RFC 3339 in UTC with microseconds, for display."""


class IAnswerer(Protocol):
    """Answers contexts with results as plain values."""

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        """Return the outputs or the error. Only a cancellation is raised."""


class IModelHealth(Protocol):
    """Health of the model behind an API."""

    async def check(self) -> dict[str, Any]:
        """Return ``status`` (healthy or unhealthy), ``model`` and ``provider``, and the reason if it is unhealthy."""
