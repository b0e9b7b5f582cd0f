"""Leases as the broker holds them: an executor's word, so read with care."""

import asyncio
import logging
from collections.abc import Sequence

from pydantic import ValidationError

from cognitive_operator.adapters.nats.jetstream import JetStream, Stored
from cognitive_operator.adapters.nats.layout import kv_stream
from cognitive_operator.api.names import LEASE_BUCKET
from cognitive_operator.api.wire import Lease
from cognitive_operator.ports.broker import ObservedLease

_STREAM = kv_stream(LEASE_BUCKET)
_logger = logging.getLogger(__name__)


class Leases:
    """Reads leases; those that cannot be read are skipped, counted, and logged once for each agent."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self._logged: set[str] = set()
        self.malformed = 0
        """How often a lease could not be read, in all."""

    async def of_agent(self, agent_uid: str) -> Sequence[ObservedLease]:
        """Return the leases of an agent's workers. Raises BrokerUnavailableError."""
        prefix = f"$KV.{LEASE_BUCKET}.{agent_uid}."
        subjects = [subject async for subject in self._js.subjects(_STREAM, f"{prefix}*")]
        stored = await asyncio.gather(*(self._js.last(_STREAM, subject) for subject in subjects))
        workers = [subject.removeprefix(prefix) for subject in subjects]
        seen = [self._read(agent_uid, worker, found) for worker, found in zip(workers, stored, strict=True)]
        return [lease for lease in seen if lease is not None]

    async def forget(self, agent_uid: str) -> None:
        """Delete the leases of an agent."""
        await self._js.purge(_STREAM, f"$KV.{LEASE_BUCKET}.{agent_uid}.>")
        self._logged.discard(agent_uid)

    def _read(self, agent_uid: str, worker: str, stored: Stored | None) -> ObservedLease | None:
        """Return a lease, None for a key that is gone and for one that is malformed or speaks for somebody else."""
        if stored is None or stored.is_marker:
            return None
        try:
            lease = Lease.model_validate_json(stored.data)
        except ValidationError as error:
            self._note_malformed(agent_uid, worker, first_fault(error))
            return None
        if (lease.agent_uid, lease.worker) != (agent_uid, worker):
            self._note_malformed(agent_uid, worker, "it names another worker")
            return None
        return ObservedLease(stored.sequence, lease)

    def _note_malformed(self, agent_uid: str, worker: str, fault: str) -> None:
        self.malformed += 1
        if agent_uid not in self._logged:
            self._logged.add(agent_uid)
            _logger.warning("lease %s.%s cannot be read: %s", agent_uid, worker, fault)


def first_fault(error: ValidationError) -> str:
    """Return where and what is wrong, without the content: an executor's words do not belong in the log."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'JSON'}: {fault['msg']}"
