"""Reasoner in the replicas of an agent's application."""

from dataclasses import dataclass, field, replace
from typing import Any

from cognitive_runtime.adapters.serve.handle import ServeHandle
from cognitive_runtime.domain import ExecutionRequest, InternalError, ModelBehaviour, Reasoning, ReplicaAnswer
from cognitive_runtime.domain.serving import ServeUnavailable


@dataclass
class RemoteReasoner:
    """Implements ``IReasoner`` by calls of the application's handle.

    A cancelled call is cancelled in its replica. A call whose replica dies is made again with another one.
    """

    application: str
    _handle: Any = None
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
        if self._handle is None:
            self._handle = ServeHandle(self.application)
        try:
            found: ReplicaAnswer = await self._handle.call("reason", request)
        except ServeUnavailable as error:
            raise InternalError(f"Ray Serve took no call: {error}.") from None
        return found
