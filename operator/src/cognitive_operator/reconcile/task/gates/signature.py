"""Gate of ``spec.signatureRef``."""

from pydantic import ValidationError

from cognitive_operator.api.names import AttemptKey, request_subject
from cognitive_operator.api.resources import Task
from cognitive_operator.api.wire import Request
from cognitive_operator.plan.gates import signature as checks
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.signature import UsedSignature
from cognitive_operator.ports.broker import Requests
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.task_record import TaskRecord


class SignatureGate:
    """Closed while the signature of a Custom task is absent or not Ready (port ``Gate``).

    The version that it finds is stored in the task's record. It changes with the CognitiveSignature until the first
    attempt starts: then the task's status names its generation, and the task keeps it. After a restart it is read from
    the request of the last attempt.

    Args:
        store: The signatures, and the tasks that wait for one.
        requests: The requests of earlier attempts.
        index: The tasks.
    """

    def __init__(self, store: SignatureStore, requests: Requests, index: Index) -> None:
        self._store = store
        self._requests = requests
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why the task cannot use its signature, or the end of a task whose input does not fit it.

        Raises:
            BrokerUnavailableError: The request of an earlier attempt cannot be read now; retry.
        """
        ref = record.task.spec.signature_ref if record.task is not None else None
        if record.task is None or ref is None or await self._is_fixed(record, record.task):
            return None
        name = (record.name[0], ref.name)
        found = self._store.get(name)
        if found is None or found.ready.is_false:
            self._store.wait(name, record.uid)
        if found is None:
            return (checks.absent if self._store.is_listed else checks.not_listed)(*name)
        if found.ready.is_false:
            return checks.not_ready(*name, found.ready)
        return self._check_input(record, record.task, found.used)

    def _check_input(self, record: TaskRecord, task: Task, found: UsedSignature) -> GateResult | None:
        """Check the input in the spec once for each version of the signature."""
        if record.signature is found:
            return None
        fault = checks.input_fault(found, task.spec.input, is_partial=task.spec.has_input_elsewhere)
        if fault is not None:
            return checks.wrong_input(found, fault)
        self._index.update_task(record.uid, signature=found, has_found_input=False)
        return None

    async def _is_fixed(self, record: TaskRecord, task: Task) -> bool:
        """Return True if the record holds the version that the status names."""
        written = task.status.signature
        if written is None:
            return False
        if record.signature is not None:
            return record.signature.version == written
        found = await self._sent(record, task)
        if found is None or found.version != written:
            return False
        self._index.update_task(record.uid, signature=found)
        return True

    async def _sent(self, record: TaskRecord, task: Task) -> UsedSignature | None:
        """Return the signature in the request of the last attempt, None if the stream no longer holds it."""
        if not task.status.attempts:
            return None
        last, namespace = task.status.attempts[-1], record.name[0]
        key = AttemptKey(last.agent_uid, record.uid, last.number)
        payload = await self._requests.read(request_subject(namespace, key))
        try:
            snapshot = Request.model_validate_json(payload).signature if payload is not None else None
        except ValidationError:  # an earlier or later release wrote it
            return None
        return None if snapshot is None else UsedSignature.of(namespace, snapshot)
