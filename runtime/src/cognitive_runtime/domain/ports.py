"""What the use cases need of the outside world."""

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

from cognitive_runtime.domain.generation import VLLMRequest, VLLMResponse
from cognitive_runtime.domain.request import ExecutionRequest
from cognitive_runtime.domain.result import AgentResult, FailureResult, Reasoning

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


class IModelSource(Protocol):
    """Knows how to reach the model of each agent."""

    def open(self, request: ExecutionRequest, deadline_s: float) -> IVLLMClient:
        """Return a client for one attempt, on connections that attempts share.

        ``deadline_s`` is a reading of the monotonic clock: the client starts no retry that would pass it.
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


class IClock(Protocol):
    """Time, injectable."""

    def monotonic(self) -> float:
        """Return seconds that never jump: for durations."""

    def now(self) -> str:
        """Return the wall clock as RFC 3339 in UTC with microseconds: for people."""
