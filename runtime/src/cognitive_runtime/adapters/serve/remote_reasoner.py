"""Reasoner in the replicas of an agent's application. It imports no Ray Serve."""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cognitive_runtime.domain import ExecutionRequest, InternalError, ModelBehaviour, Reasoning, ReplicaAnswer
from cognitive_runtime.domain.serving import ServeUnavailable


class IHandle(Protocol):
    """Handle of an application."""

    async def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Return the result of a method of a replica."""


@dataclass
class RemoteReasoner:
    """Implements ``IReasoner`` by calls of the application's handle.

    A cancelled call is cancelled in its replica. A call whose replica dies is made again with another one.
    """

    application: str
    handle: IHandle
    _learnt: dict[tuple[str, str], ModelBehaviour] = field(default_factory=dict)

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request in a replica. The key of the attempt stays in this process.

        Raises:
            ReasoningError: That of the replica, or ``InternalError`` if no replica has answered.
            asyncio.CancelledError: The caller was cancelled.
        """
        answer = await self._ask(replace(request, attempt_key=""))
        self._learnt |= {(each.endpoint, each.model): each for each in answer.learnt}
        if answer.error is not None:
            raise answer.error
        if answer.reasoning is None:
            raise InternalError(f"A replica of the Serve application {self.application!r} gave no answer.")
        return answer.reasoning

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return what the replicas have learnt by the calls of this process."""
        return tuple(self._learnt.values())

    async def _ask(self, request: ExecutionRequest) -> ReplicaAnswer:
        try:
            found: ReplicaAnswer = await self.handle.call("reason", request)
        except ServeUnavailable as error:
            raise InternalError(f"Ray Serve took no call: {error}.") from None
        return found
