"""Gate of ``spec.deliberation``."""

from cognitive_operator.plan.gates import signature as checks
from cognitive_operator.plan.gates.deliberation import JUDGE_FIELD, absent_field, no_judge
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.task_record import TaskRecord


class DeliberationGate:
    """Closed while the signature that judges is absent or cannot judge, or the counted field is absent (port ``Gate``).

    The version of the judge is stored in the task's record. Each attempt takes the newest one.

    Args:
        store: The signatures, and the tasks that wait for one.
        index: The tasks.
    """

    def __init__(self, store: SignatureStore, index: Index) -> None:
        self._store = store
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why the task cannot be deliberated on now."""
        spec = record.task.spec if record.task is not None else None
        if spec is None or spec.deliberation is None:
            return None
        judge = spec.deliberation.selection.judge_ref
        if judge is not None:
            return self._find_judge(record, judge.name)
        found = absent_field(spec, record.signature) if record.signature is not None else None
        if found is not None and spec.signature_ref is not None:
            self._store.wait((record.name[0], spec.signature_ref.name), record.uid)
        return found

    def _find_judge(self, record: TaskRecord, judge: str) -> GateResult | None:
        name = (record.name[0], judge)
        found, gate = self._store.get(name), None
        if found is None:
            gate = (checks.absent if self._store.is_listed else checks.not_listed)(*name, JUDGE_FIELD)
        elif found.ready.is_false:
            gate = checks.not_ready(*name, found.ready, JUDGE_FIELD)
        else:
            gate = no_judge(found.used)
        if gate is not None:
            self._store.wait(name, record.uid)
        elif found is not None and record.judge is not found.used:
            self._index.update_task(record.uid, judge=found.used)
        return gate
