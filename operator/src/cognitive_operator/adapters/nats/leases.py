"""Leases of workers in their key-value bucket (port ``Leases``)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from pydantic import ValidationError

from cognitive_operator.adapters.nats.jetstream import StoredMessage
from cognitive_operator.adapters.nats.lease_watch import LeaseWatcher
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.adapters.nats.stream_specs import kv_stream
from cognitive_operator.api.names import LEASE_BUCKET
from cognitive_operator.api.validation import first_fault
from cognitive_operator.api.wire import Lease
from cognitive_operator.ports.broker import ObservedLease

_STREAM: Final = kv_stream(LEASE_BUCKET)
_logger = logging.getLogger(__name__)


class NatsLeases:
    """Reads leases. Malformed ones, which any executor can write, are skipped, counted, and logged once per agent."""

    def __init__(self, session: NatsSession) -> None:
        self._session = session
        self._logged: set[str] = set()
        self.malformed = 0
        """Number of malformed leases read."""

    async def list(self, agent_uid: str) -> Sequence[ObservedLease]:
        """Return the leases of an agent's workers, those of Job attempts too."""
        prefix = f"$KV.{LEASE_BUCKET}.{agent_uid}."
        async with self._session.use() as js:
            subjects = [subject async for subject in js.subjects(_STREAM, f"{prefix}*")]
            stored = await asyncio.gather(*(js.last(_STREAM, subject) for subject in subjects))
        workers = [subject.removeprefix(prefix) for subject in subjects]
        seen = [self._read(agent_uid, worker, found) for worker, found in zip(workers, stored, strict=True)]
        return [lease for lease in seen if lease is not None]

    async def watch(self, on_change: Callable[[str, str], None]) -> None:
        """Call ``on_change`` with agent UID and worker after each change of a lease. Runs until cancelled.

        A change during an interruption of the connection is missed.
        """
        await LeaseWatcher(self._session, on_change).run()

    async def delete_all(self, agent_uid: str) -> None:
        """Delete the leases of an agent."""
        async with self._session.use() as js:
            await js.purge(_STREAM, f"$KV.{LEASE_BUCKET}.{agent_uid}.>")
        self._logged.discard(agent_uid)

    def _read(self, agent_uid: str, worker: str, stored: StoredMessage | None) -> ObservedLease | None:
        """Return a worker's lease, or None if it is gone, malformed, or belongs to another worker."""
        if stored is None or stored.is_marker:
            return None
        try:
            lease = Lease.model_validate_json(stored.data)
        except ValidationError as error:
            self._count_malformed(agent_uid, worker, first_fault(error))
            return None
        if (lease.agent_uid, lease.worker) != (agent_uid, worker):
            self._count_malformed(agent_uid, worker, "it belongs to another worker")
            return None
        return ObservedLease(stored.sequence, lease)

    def _count_malformed(self, agent_uid: str, worker: str, fault: str) -> None:
        self.malformed += 1
        if agent_uid not in self._logged:
            self._logged.add(agent_uid)
            _logger.warning("lease %s.%s cannot be read: %s", agent_uid, worker, fault)
