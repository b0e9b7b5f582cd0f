"""Lease of a worker in a key-value bucket."""

import contextlib
from dataclasses import dataclass, field

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import PermanentBrokerError, TransientBrokerError
from cognitive_runtime.adapters.nats.jetstream import purge_key, put_key
from cognitive_runtime.adapters.nats.subjects import LEASE_BUCKET
from cognitive_runtime.adapters.wire import FEATURES, Lease, learnt_parts
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerState
from cognitive_runtime.domain import IClock


@dataclass
class NatsLeases:
    """The lease of one worker. Implements ``ILeases``."""

    broker: BrokerConnection
    identity: WorkerIdentity
    clock: IClock
    runtime_version: str
    _started_at: str = field(init=False)

    def __post_init__(self) -> None:
        self._started_at = self.clock.now()

    async def renew(self, state: WorkerState) -> None:
        """Store a new revision of the lease.

        Raises:
            TransientBrokerError: The revision may or may not be stored. Retry.
            PermanentBrokerError: The broker refused it, for example for lack of a right.
        """
        lease = Lease(
            worker=self.identity.worker,
            agent_uid=self.identity.agent_uid,
            submission_id=self.identity.submission_id,
            mode=self.identity.mode,
            started_at=self._started_at,
            renewed_at=self.clock.now(),
            ready=state.ready,
            reason=state.reason,
            message=state.message,
            capacity=state.capacity,
            running=state.running,
            runtime_version=self.runtime_version,
            features=tuple(sorted(FEATURES)),
            learnt=learnt_parts(state.learnt),
        )
        await put_key(self.broker, LEASE_BUCKET, self._key, lease.encode())

    async def purge(self) -> None:
        """Purge the lease if the broker is reachable; otherwise the lease expires."""
        with contextlib.suppress(TransientBrokerError, PermanentBrokerError):
            await purge_key(self.broker, LEASE_BUCKET, self._key)

    @property
    def _key(self) -> str:
        return f"{self.identity.agent_uid}.{self.identity.worker}"
