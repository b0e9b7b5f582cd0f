"""Interfaces that a worker needs: broker, secrets and control messages."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from cognitive_runtime.domain import ExecutionMode, ModelBehaviour
from cognitive_runtime.domain.execution import ServeProblem, ServeTarget


@dataclass(frozen=True)
class WorkerIdentity:
    """Identity of a worker, used in its lease, claims and responses."""

    namespace: str
    agent_uid: str
    worker: str
    """Unique for each start of a worker process."""
    submission_id: str
    """Id of the Ray job that the worker belongs to."""
    mode: ExecutionMode


@dataclass(frozen=True)
class BrokerProblem:
    """Reason why a worker has no connection to the broker."""

    event: str
    """``BrokerUnreachable`` or ``CredentialsNotMounted``."""
    message: str
    """Sentence with the URL of the broker, without user and password, and the cause."""


@dataclass(frozen=True)
class WorkerSpec:
    """Specification of one worker."""

    identity: WorkerIdentity
    concurrency: int = 1
    """Attempts that run at the same time."""
    required_secrets: tuple[str, ...] = ()
    """Secret files without which the worker pulls no requests."""
    workers: int = 1
    """Number of processes that share the agent's rate limits: workers, this one included, and replicas."""
    serve: ServeTarget | None = None
    """Application on Ray Serve that the worker calls; None: the agent has none."""
    is_slot: bool = False
    """True: the worker pulls requests, and drains once it has executed one attempt."""

    @property
    def preloads(self) -> bool:
        """True if the worker loads its own reasoner at its start; replicas of an application have theirs."""
        return self.serve is None or self.serve.is_hybrid

    @property
    def pulls(self) -> bool:
        """True if the worker pulls requests; the worker of an attempt's own Ray job is given its only request."""
        return self.identity.mode != "Job" or self.is_slot


@dataclass(frozen=True)
class WorkerState:
    """State of a worker as published in its lease."""

    ready: bool
    capacity: int
    running: tuple[str, ...] = ()
    reason: str | None = None
    message: str | None = None
    learnt: tuple[ModelBehaviour, ...] = ()
    """Behaviour of the agent's models that the worker has learnt."""


class IDelivery(Protocol):
    """One delivery of a request. The broker redelivers the request until it is acknowledged."""

    @property
    def attempt_id(self) -> str:
        """Id of the requested attempt, taken from the subject, on which only the operator may publish."""

    @property
    def data(self) -> bytes:
        """The request."""

    async def ack(self) -> None:
        """Acknowledge the request: no redelivery."""

    async def reject(self) -> None:
        """Ask for immediate redelivery to another worker."""

    async def terminate(self) -> None:
        """Reject an unreadable request for good: no redelivery."""


class IRequestSource(Protocol):
    """Source of the requests of one agent."""

    @property
    def problem(self) -> str | None:
        """Reason why no request can arrive at the moment, or None."""

    async def start(self) -> None:
        """Start. Idempotent."""

    async def next(self, slots: int) -> IDelivery | None:
        """Pull at most ``slots`` requests and return one, or None after one second or after ``wake``."""

    def wake(self) -> None:
        """Make a waiting ``next`` return, because the number of free slots has changed."""

    async def stop(self) -> None:
        """Stop pulling and reject the deliveries that were not handed out. Idempotent."""


class IClaims(Protocol):
    """Claims of attempts: the worker that creates the claim executes the attempt."""

    async def create(self, attempt_id: str) -> bool:
        """Claim an attempt for this worker. Return False if it is claimed already. Waits for the broker."""


class ILeases(Protocol):
    """The worker's lease, which proves that the worker is alive."""

    async def renew(self, state: WorkerState) -> None:
        """Publish the worker's state and renew the lease.

        Raises:
            Exception: The lease was not renewed. Retry.
        """

    async def purge(self) -> None:
        """Remove the lease, if the broker is reachable."""


class ISecrets(Protocol):
    """Mounted secret files of the agent."""

    def missing(self, names: Collection[str]) -> list[str]:
        """Return the names of the files that are absent or empty."""


class IApplicationWatch(Protocol):
    """Watch of the agent's application on Ray Serve."""

    @property
    def problem(self) -> ServeProblem | None:
        """Reason why the application answers no calls, or None."""

    async def run(self, on_change: Callable[[], None]) -> None:
        """Watch until cancelled, and call ``on_change`` after each change of the problem."""
