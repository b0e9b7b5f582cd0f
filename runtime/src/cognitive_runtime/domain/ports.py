"""What the use cases need of the outside world."""

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from cognitive_runtime.domain.generation import VLLMRequest, VLLMResponse
from cognitive_runtime.domain.limits import Permit, QuotaDecision, QuotaRequest
from cognitive_runtime.domain.request import ExecutionRequest, InputRef
from cognitive_runtime.domain.result import AgentResult, FailureResult, Reasoning
from cognitive_runtime.domain.usage import Usage

T = TypeVar("T")


class IResultPublisher(Protocol):
    """Sends outcomes to whoever waits for them."""

    async def connect(self) -> None:
        """Connect; more than once is no error."""

    async def publish_success(
        self,
        result: AgentResult,
        num_agents: int | None = None,
        original_task_id: str | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish a result; returns when it is stored where it outlives this process."""

    async def publish_failure(
        self,
        result: FailureResult,
        num_agents: int | None = None,
        original_task_id: str | None = None,
    ) -> None:
        """Publish a failure; returns when it is stored where it outlives this process."""

    async def close(self) -> None:
        """Disconnect; more than once is no error."""


class IVLLMClient(Protocol):
    """Generates text by a language model."""

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the model's answer.

        Raises:
            ReasoningError: The class says what went wrong and whether to retry.
        """


class IAllowance(Protocol):
    """What one attempt may ask of its model, and what others were answered before it."""

    async def cached_result(self, signature_version: str) -> Reasoning | None:
        """Return the answer to the same request if it is remembered.

        ``signature_version`` changes with whatever the code makes of a request of this type.
        """

    async def cache_result(self, reasoning: Reasoning) -> None:
        """Let others have this answer; does not wait for it to be kept."""

    async def acquire(self, request: VLLMRequest) -> Permit:
        """Return when the model may be called, before every single call.

        Raises:
            RateLimited: The agent's own limit leaves no room before the attempt's deadline.
            LedgerUnavailable: The call cannot be counted.
        """

    async def settle(self, permit: Permit, usage: Usage) -> None:
        """Tell what a call has cost; does not wait for it to be counted."""


class ILimits(Protocol):
    """Knows the rate limits and the cache of an agent."""

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return what one attempt is allowed; ``deadline_s`` is a reading of the monotonic clock."""


class IQuotaStore(Protocol):
    """What all workers of an agent count and remember together."""

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Return the answer that is there, else leave for a call, booked, or how long to wait for it.

        Raises:
            LedgerUnavailable: The call has to be counted and cannot be.
            CredentialsNotMounted: Nobody said where the ledger is.
        """

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Count what a call has cost instead of its estimate."""

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep an answer."""


class Unlimited:
    """The allowance of an attempt whose agent has neither a limit nor a cache. Implements ``IAllowance``."""

    async def cached_result(self, signature_version: str) -> Reasoning | None:
        """Return nothing."""
        return None

    async def cache_result(self, reasoning: Reasoning) -> None:
        """Forget it."""

    async def acquire(self, request: VLLMRequest) -> Permit:
        """Return at once."""
        return Permit()

    async def settle(self, permit: Permit, usage: Usage) -> None:
        """Count nothing."""


class NoLimits:
    """Lets every attempt do as it likes. Implements ``ILimits``."""

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return leave for everything."""
        return Unlimited()


class IModelSource(Protocol):
    """Knows how to reach the model of each agent."""

    def open(self, request: ExecutionRequest, deadline_s: float, allowance: IAllowance | None = None) -> IVLLMClient:
        """Return a client for one attempt, on connections that attempts share.

        ``deadline_s`` is a reading of the monotonic clock: the client starts no retry that would pass it. Without an
        ``allowance`` calls are not counted.
        """

    async def close(self) -> None:
        """Close the connections that belong to the running event loop; they open again when they are needed."""


class IAsyncExecutor(Protocol):
    """Runs asynchronous code for a synchronous caller."""

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run to completion and return the result, also when the caller's thread has a running loop."""


class IReasoner(Protocol):
    """Answers requests by typed reasoning."""

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Think about one request.

        Raises:
            ReasoningError: The class says what went wrong and whether to retry.
        """


class IInputStore(Protocol):
    """Keeps the inputs that are too large for their requests."""

    async def fetch(self, ref: InputRef) -> bytes:
        """Return what is stored; waits for the broker, and a while for the object.

        Raises:
            InputUnavailable: There is no such object, or not all of it.
        """


class IClock(Protocol):
    """Time, injectable."""

    def monotonic(self) -> float:
        """Return seconds that never jump: for durations."""

    def now(self) -> str:
        """Return the wall clock as RFC 3339 in UTC with microseconds: for people."""
