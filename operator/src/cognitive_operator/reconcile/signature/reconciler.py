"""Reconciliation of signatures: writes the condition Ready."""

import logging
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import SIGNATURE_PLURAL, ObjectName
from cognitive_operator.errors import CognitiveOperatorError, ConflictError
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body, Resources
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.scoped_list import KindLists, KindStore
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.unreadable import log_unreadable
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter
from cognitive_operator.status.signature import signature_status

logger = logging.getLogger(__name__)
WORKERS: Final = 8


@dataclass(frozen=True)
class SignaturePorts:
    """Ports that the reconciliation of signatures uses."""

    resources: Resources
    namespaces: WatchedNamespaces
    writer: StatusWriter
    clock: Clock


class SignatureReconciler:
    """Keeps the store of signatures complete and their statuses up to date.

    Args:
        ports: Signatures, their statuses, and the clock.
        store: The signatures that tasks use.
        timing: Intervals.
    """

    def __init__(self, ports: SignaturePorts, store: SignatureStore, timing: Timing) -> None:
        self._writer = ports.writer
        self._clock = ports.clock
        self._store = store
        stored = KindStore(SIGNATURE_PLURAL, self._bodies, self.upsert, self.delete)
        self._lists = KindLists(ports.resources, ports.namespaces, stored)
        self._timing = timing
        self._queue = WorkQueue[ObjectName]("signature", WORKERS, backoff_s=timing.backoff_s)
        self._queue.start(self.reconcile)

    async def start(self) -> None:
        """List all signatures before the first task is reconciled; after an error ``run`` lists them again."""
        try:
            await self._lists.relist()
            self._store.complete()
        except CognitiveOperatorError as error:
            logger.info("cannot list the signatures", extra={"cause": str(error)})

    async def run(self) -> None:
        """List all signatures at intervals until cancelled."""
        while True:
            timing, is_listed = self._timing, self._store.is_listed
            await self._lists.wait(timing.resync_every_s if is_listed else timing.schedule_retry_s)
            await self.start()

    def on_namespace(self, name: str) -> None:
        """List the signatures again after a namespace was found."""
        self._lists.on_namespace(name)

    async def close(self) -> None:
        """Cancel all reconciliations."""
        await self._queue.close()

    def upsert(self, body: Body) -> None:
        """Store a signature as it is now, and enqueue it."""
        try:
            record = self._store.upsert(body)
        except ValidationError as error:
            return log_unreadable(body, error)
        if record is not None:
            self._queue.add(record.name)

    def delete(self, body: Body) -> None:
        """Forget a deleted signature. Attempts that carry its snapshot go on."""
        meta = body["metadata"]
        self._store.delete((meta["namespace"], meta["name"]), meta["uid"])

    async def reconcile(self, name: ObjectName) -> float | None:
        """Write a signature's status if it changes.

        Raises:
            TransientError: The caller should retry.
        """
        record = self._store.get(name)
        if record is None or record.signature.metadata.deletion_timestamp is not None:
            return None
        raw = record.body.get("status") or {}
        patch = signature_status(record.signature, raw, record.ready, self._clock.now())
        if merge_patch(raw, patch) == dict(raw):
            return None
        result = await self._writer.write(record.body, patch)
        if isinstance(result, Gone):
            self.delete(record.body)
            return None
        if self._store.get(name) is None:  # deleted during the write
            return None
        self.upsert(result.body)
        if isinstance(result, Changed):
            raise ConflictError(f"CognitiveSignature {'/'.join(name)} changed while its status was written")
        if record.ready.is_false:
            self._writer.emit_event(record.body, "Warning", record.ready.reason, record.ready.message)
        return None

    def _bodies(self) -> list[Body]:
        return [record.body for record in self._store.all()]
