"""Gate of ``spec.inputFrom``, and the values that it refers to.

Values are read when an attempt starts and never kept: no object, log or metric holds a Secret's value, and a queue of
many tasks with large inputs costs no memory. Before that they are read until all exist, and then no more while the task
waits.
"""

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.inputs import InputSource, KeyRef, TaskResultRef
from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.desired.input import MAX_INPUT_BYTES, UnusableValueError, check, encoded, parsed
from cognitive_operator.errors import ForbiddenError, ResultError
from cognitive_operator.plan.gates import inputs as gate_results
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.inputs import InputNotReadyError, source_label
from cognitive_operator.plan.gates.signature import UsedSignature, input_fault, wrong_value
from cognitive_operator.ports.broker import ObjectReader
from cognitive_operator.ports.kube import Body, CoreObjects, Resources
from cognitive_operator.reconcile.state.fair_semaphore import FairSemaphore, PermitLimits
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.result import result_of

INPUT_LABEL: Final = "cognitive.seedcore.io/input"
"""A Secret is read for a task only when it has this label with the value ``allowed``."""
READS: Final = PermitLimits(total=8, per_namespace=4, per_agent=2)
"""Tasks whose input is read at once, which bounds the memory that inputs take."""
_ABSENT: Final = object()


@dataclass(frozen=True)
class InputSources:
    """The ports that inputs are read from."""

    core: CoreObjects
    resources: Resources
    objects: ObjectReader


class InputGate:
    """Closed until all input of a task exists (port ``Gate``); reads that input.

    Args:
        sources: Reads ConfigMaps, Secrets, tasks and large results of tasks.
        index: The tasks.
        dependencies: Reads the results of ``spec.dependsOn``.
        outside: Frees the worker of a task by its UID, while its input is read.
    """

    def __init__(
        self,
        sources: InputSources,
        index: Index,
        dependencies: DependencyGate,
        outside: Callable[[str], AbstractAsyncContextManager[None]],
    ) -> None:
        self._core = sources.core
        self._resources = sources.resources
        self._objects = sources.objects
        self._index = index
        self._dependencies = dependencies
        self._outside = outside
        self._semaphore = FairSemaphore(READS)

    @asynccontextmanager
    async def read_permit(self, record: TaskRecord) -> AsyncIterator[None]:
        """Wait for a permit to read a task's input, and occupy no worker meanwhile."""
        async with self._outside(record.uid), self._semaphore.permit(record.agent):
            yield

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return which input is missing; an input that was found is not read again."""
        if record.task is None or not record.task.spec.has_input_elsewhere or record.has_found_input:
            return None
        try:
            async with self.read_permit(record):
                await self.read(record)
        except InputNotReadyError as error:
            return error.gate
        self._index.update_task(record.uid, has_found_input=True)
        return None

    async def read(self, record: TaskRecord) -> bytes | None:
        """Return all input of a task as JSON, None when its spec holds all of it.

        Raises:
            InputNotReadyError: A source does not exist, or its value is invalid.
            TransientError: The caller should retry.
        """
        if record.task is None or not record.task.spec.has_input_elsewhere:
            return None
        spec = record.task.spec
        try:
            whole = spec.input | await self._dependencies.results(record)
        except ResultError as error:
            raise gate_results.lost(str(error)) from error
        for source in spec.input_from:
            if source.as_ in whole:
                what = f"the key {source.as_} is set more than once; remove one"
                raise gate_results.hopeless(source, Reason.INPUT_INVALID, what)
            value = await self._value(record, source)
            if value is not _ABSENT:
                whole[source.as_] = value
        content = encoded(whole)
        if len(content) > MAX_INPUT_BYTES:
            raise gate_results.too_large(len(content), MAX_INPUT_BYTES)
        if record.signature is not None:
            _expect_fitting(record.signature, whole, spec.input_from)
        return content

    async def _value(self, record: TaskRecord, source: InputSource) -> Any:
        try:
            value = await self._found(record, source)
            if value is not _ABSENT:
                if record.signature is None:
                    check(source.as_, value)
                encoded({source.as_: value})
        except UnusableValueError as error:
            what = f"{source_label(record.name[0], source)}: the value {error}"
            if source.task_ref is not None:
                raise gate_results.hopeless(source, Reason.INPUT_INVALID, what) from None
            raise gate_results.unreadable(source, what) from None
        except ForbiddenError:
            place = source_label(record.name[0], source)
            what = f"the operator is not allowed to read {place}; grant the operator the RBAC verb get"
            raise gate_results.forbidden(source, what) from None
        return value

    async def _found(self, record: TaskRecord, source: InputSource) -> Any:
        if source.task_ref is not None:
            return await self._of_task(record, source, source.task_ref)
        if source.secret_key_ref is not None:
            return await self._of_key(record, source, source.secret_key_ref, "secrets")
        assert source.config_map_key_ref is not None, "the CRD requires exactly one of the three"
        return await self._of_key(record, source, source.config_map_key_ref, "configmaps")

    async def _of_key(self, record: TaskRecord, source: InputSource, ref: KeyRef, plural: str) -> Any:
        place = source_label(record.name[0], source)
        body = await self._core.get(plural, record.name[0], ref.name)
        if body is not None and plural == "secrets":
            _expect_allowed(source, place, body)
        raw = _raw(body, ref.key, plural) if body is not None else None
        if raw is None and source.optional:
            return _ABSENT
        if raw is None:
            what = "does not exist" if body is None else f"has no key {ref.key!r}"
            raise gate_results.absent(source, f"{place} {what}")
        try:
            return parsed(raw.decode(), source.format)
        except UnicodeDecodeError:
            raise UnusableValueError("is not UTF-8 text") from None

    async def _of_task(self, record: TaskRecord, source: InputSource, ref: TaskResultRef) -> Any:
        name = (record.name[0], ref.name)
        place = source_label(record.name[0], source)
        other = self._index.task_named(name)
        if other is None and source.optional:
            return _ABSENT
        if other is None:
            raise gate_results.absent(source, f"{place} does not exist")
        if not other.is_finished:
            raise gate_results.unfinished(source, f"waiting for {place} to succeed")
        if not other.has_succeeded:
            if source.optional:
                return _ABSENT
            raise gate_results.hopeless(source, Reason.DEPENDENCY_FAILED, f"{place} ended as {other.phase}")
        return await self._result(source, ref, name)

    async def _result(self, source: InputSource, ref: TaskResultRef, name: tuple[str, str]) -> Any:
        place = source_label(name[0], source)
        body = await self._resources.get(TASK_PLURAL, *name)
        if body is None and source.optional:
            return _ABSENT
        if body is None:
            raise gate_results.absent(source, f"{place} does not exist")
        try:
            result = await result_of(body, self._objects)
        except ResultError as error:
            raise gate_results.hopeless(source, Reason.DEPENDENCY_FAILED, str(error)) from None
        if ref.field is None or ref.field in result:
            return result if ref.field is None else result[ref.field]
        if source.optional:
            return _ABSENT
        raise gate_results.hopeless(source, Reason.INPUT_NOT_FOUND, f"the result of {place} has no key {ref.field!r}")


def _expect_allowed(source: InputSource, place: str, secret: Body) -> None:
    """Require the label by which a Secret's owner allows tasks to read it: their authors may have no right to it."""
    if (secret["metadata"].get("labels") or {}).get(INPUT_LABEL) != "allowed":
        what = f"{place} is not allowed as an input; its owner must add the label {INPUT_LABEL}=allowed"
        raise gate_results.forbidden(source, what)


def _expect_fitting(signature: UsedSignature, whole: Mapping[str, Any], sources: Sequence[InputSource]) -> None:
    """Require input that fits the signature of a Custom task."""
    fault = input_fault(signature, whole)
    if fault is not None:
        raise wrong_value(signature, fault, next((each for each in sources if each.as_ == fault.key), None))


def _raw(body: Body, key: str, plural: str) -> bytes | None:
    if plural == "configmaps" and key in (body.get("data") or {}):
        return str(body["data"][key]).encode()
    value = (body.get("binaryData" if plural == "configmaps" else "data") or {}).get(key)
    return base64.b64decode(value) if value is not None else None
