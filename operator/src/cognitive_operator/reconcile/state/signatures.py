"""The newest version of every signature, and the tasks that wait for one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.names import ObjectName
from cognitive_operator.api.signatures import Signature
from cognitive_operator.desired.signature import desired_snapshot
from cognitive_operator.plan.gates.signature import UsedSignature, signature_condition
from cognitive_operator.ports.kube import Body


@dataclass(frozen=True)
class SignatureRecord:
    """A signature as last read."""

    signature: Signature
    body: Body
    ready: Condition
    """Condition Ready of the signature."""
    used: UsedSignature
    """The version for its tasks, which all share it."""

    @property
    def name(self) -> ObjectName:
        """Namespace and name."""
        return self.signature.metadata.namespace, self.signature.metadata.name

    @property
    def uid(self) -> str:
        """The signature's UID, which a recreated signature does not share."""
        return self.signature.metadata.uid

    @property
    def version(self) -> int:
        """The signature's resourceVersion."""
        return int(self.body["metadata"]["resourceVersion"])


class SignatureStore:
    """The only writer of records of signatures. It belongs to the event loop.

    Args:
        enqueue: Adds tasks to their work queue.
    """

    def __init__(self, enqueue: Callable[[Iterable[str]], None]) -> None:
        self._enqueue = enqueue
        self._records: dict[ObjectName, SignatureRecord] = {}
        self._waiting: dict[ObjectName, set[str]] = {}
        self.is_listed = False
        """True once all signatures were listed: only then is a missing one known to be absent."""

    def all(self) -> list[SignatureRecord]:
        """Return all records."""
        return list(self._records.values())

    def get(self, name: ObjectName) -> SignatureRecord | None:
        """Return a signature's record, None if it does not exist."""
        return self._records.get(name)

    def wait(self, name: ObjectName, task_uid: str) -> None:
        """Have a task enqueued at the next change of a signature."""
        self._waiting.setdefault(name, set()).add(task_uid)

    def upsert(self, body: Body) -> SignatureRecord | None:
        """Store a signature and enqueue the tasks that wait for it; None if the stored version is not older.

        A write of the status alone keeps the version, so tasks notice no change.

        Raises:
            ValidationError: The object cannot be read.
        """
        meta = body["metadata"]
        name = (meta["namespace"], meta["name"])
        known = self._records.get(name)
        if known is not None and int(meta["resourceVersion"]) <= known.version:
            return None
        signature = Signature.model_validate(body)
        if known is not None and known.uid == meta["uid"] and known.signature == signature:
            self._records[name] = record = SignatureRecord(signature, body, known.ready, known.used)
            return record
        snapshot = desired_snapshot(signature)
        ready = signature_condition(signature, len(snapshot.model_dump_json().encode()))
        self._records[name] = record = SignatureRecord(signature, body, ready, UsedSignature.of(name[0], snapshot))
        self._wake(name)
        return record

    def delete(self, name: ObjectName, uid: str) -> None:
        """Forget a deleted signature, unless it was recreated meanwhile."""
        record = self._records.get(name)
        if record is not None and record.uid == uid:
            del self._records[name]
            self._wake(name)

    def complete(self) -> None:
        """Record that the first list is complete, and enqueue all waiting tasks."""
        self.is_listed = True
        for name in list(self._waiting):
            self._wake(name)

    def _wake(self, name: ObjectName) -> None:
        self._enqueue(self._waiting.pop(name, ()))
