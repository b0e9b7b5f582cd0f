"""What a worker needs of the broker, of the secrets and of the use case."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from cognitive_runtime.domain import ExecutionMode


@dataclass(frozen=True)
class WorkerIdentity:
    """Who executes: names the lease, the claims and the responses."""

    namespace: str
    agent_uid: str
    worker: str
    """Unique for each start of a worker process."""
    submission_id: str
    """The Ray job to which the worker belongs."""
    mode: ExecutionMode


@dataclass(frozen=True)
class WorkerState:
    """What a worker shows of itself in its lease."""

    ready: bool
    capacity: int
    running: tuple[str, ...] = ()
    reason: str | None = None
    message: str | None = None


class IDelivery(Protocol):
    """One delivery of a request; the same request can be delivered again until it is acknowledged."""

    @property
    def attempt_id(self) -> str:
        """Which attempt it asks for, by the subject that only the operator may publish on."""

    @property
    def data(self) -> bytes:
        """The request."""

    async def ack(self) -> None:
        """Tell the broker that this request needs no other delivery."""

    async def reject(self) -> None:
        """Tell the broker to deliver it to somebody else at once."""

    async def terminate(self) -> None:
        """Tell the broker that nobody can ever read this request."""


class IRequestSource(Protocol):
    """Where a worker pulls requests from."""

    @property
    def problem(self) -> str | None:
        """Why no request can arrive at the moment, None if they can."""

    async def start(self) -> None:
        """Begin; more than once is no error."""

    async def next(self, slots: int) -> IDelivery | None:
        """Ask for at most ``slots`` requests and return one, or None after a second or ``wake``."""

    def wake(self) -> None:
        """Let a waiting ``next`` return: the number of free slots has changed."""

    async def stop(self) -> None:
        """Ask for nothing more and give back what has arrived; more than once is no error."""


class IClaims(Protocol):
    """Who may execute an attempt."""

    async def create(self, attempt_id: str) -> bool:
        """Claim an attempt for this worker; False when somebody has claimed it before. Waits for the broker."""


class ILeases(Protocol):
    """The worker's sign of life."""

    async def renew(self, state: WorkerState) -> None:
        """Show that the worker lives.

        Raises:
            Exception: It could not be shown. Retry.
        """

    async def purge(self) -> None:
        """Show that the worker has ended, if that can be shown now."""


class ISecrets(Protocol):
    """The agent's mounted files."""

    def missing(self, names: Collection[str]) -> list[str]:
        """Return which of the files are absent or empty."""
