"""Gate of ``spec.signatureRef``."""

from cognitive_operator.plan import signature as checks
from cognitive_operator.plan.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.signatures import SignatureRecord, SignatureStore
from cognitive_operator.reconcile.state.task_record import TaskRecord


class SignatureGate:
    """Closed while the signature of a Custom task is absent or not Ready (port ``Gate``).

    The signature that it finds is stored in the task's record. It changes with the CognitiveSignature until the first
    attempt starts: then the task's status names its generation, and the task keeps it.
    """

    def __init__(self, store: SignatureStore, index: Index) -> None:
        self._store = store
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why the task cannot use its signature, or the end of a task whose input does not fit it."""
        ref = record.task.spec.signature_ref if record.task is not None else None
        if ref is None or is_fixed(record):
            return None
        name = (record.name[0], ref.name)
        found = self._store.get(name)
        if found is None or found.ready.is_false:
            self._store.wait(name, record.uid)
        if found is None:
            return (checks.absent if self._store.is_listed else checks.not_listed)(*name)
        if found.ready.is_false:
            return checks.not_ready(*name, found.ready)
        return self._checked(record, found)

    def _checked(self, record: TaskRecord, found: SignatureRecord) -> GateResult | None:
        """Check the input in the spec once for each version of the signature."""
        if record.task is None or (record.signature is not None and record.signature.snapshot is found.snapshot):
            return None
        spec = record.task.spec
        fault = checks.input_fault(found.signature, spec.input, is_partial=spec.has_input_elsewhere)
        if fault is not None:
            return checks.wrong_input(found.signature, fault)
        self._index.update_task(record.uid, signature=found, input_at_s=float("-inf"))
        return None


def is_fixed(record: TaskRecord) -> bool:
    """Return True if the status names the version of the signature that the record holds."""
    written = record.task.status.signature if record.task is not None else None
    if record.signature is None or written is None:
        return False
    return written.generation == record.signature.snapshot.generation
