"""Interfaces of a deliberation: the reasoner that answers for its members, and the store of their answers."""

from typing import Protocol

from cognitive_runtime.application.shared_budget import SharedBudget
from cognitive_runtime.domain import ExecutionRequest, ModelBehaviour, Reasoning


class IMemberReasoner(Protocol):
    """Reasons about the requests of members, which share one token budget."""

    async def reason(self, request: ExecutionRequest, budget: SharedBudget | None = None) -> Reasoning:
        """Reason about one request.

        Raises:
            ReasoningError: The class tells the cause, and whether to retry.
        """

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models."""


class IMemberStore(Protocol):
    """Answers of finished members, for a later attempt of the same task."""

    def load(self, request: ExecutionRequest) -> Reasoning | None:
        """Return the answer to an equal request of the same member of the same task, or None."""

    def save(self, request: ExecutionRequest, reasoning: Reasoning) -> None:
        """Store the answer of a member. An answer that cannot be stored is no error."""

    def clear(self, request: ExecutionRequest) -> None:
        """Remove the answers of all members of the request's task."""


class NoMemberStore:
    """Store without content. Implements ``IMemberStore``."""

    def load(self, request: ExecutionRequest) -> Reasoning | None:
        """Return None."""
        return None

    def save(self, request: ExecutionRequest, reasoning: Reasoning) -> None:
        """Do nothing."""

    def clear(self, request: ExecutionRequest) -> None:
        """Do nothing."""
