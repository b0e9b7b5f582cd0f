"""Gets what a task's ``spec.inputFrom`` refers to.

Values are read when an attempt begins and never kept: a Secret's is in no object, log or metric, and a queue of many
tasks with large inputs costs no memory.
"""

import asyncio
import base64
from typing import Any, Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.inputs import InputSource, KeyRef, TaskResultRef
from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.desired.input import MAX_INPUT_BYTES, UnusableValueError, check, encoded, parsed
from cognitive_operator.errors import ForbiddenError, ResultError
from cognitive_operator.plan import input_gate as held
from cognitive_operator.plan.gate import GateResult
from cognitive_operator.plan.input_gate import InputNotReadyError, source_label
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.result import result_of

INPUT_LABEL: Final = "cognitive.seedcore.io/input"
"""A Secret is read for a task only when it has this label with the value ``allowed``."""
LOOK_EVERY_S: Final = 30.0
AT_ONCE: Final = 4
"""So many inputs are in memory at once."""
_ABSENT: Final = object()


class InputGate:
    """Knows whether a task's input is there (port ``Gate``), and gets it."""

    def __init__(self, deps: Deps, index: Index, dependencies: DependencyGate) -> None:
        self._deps = deps
        self._index = index
        self._dependencies = dependencies
        self.limit = asyncio.Semaphore(AT_ONCE)

    async def hold(self, record: TaskRecord) -> GateResult | None:
        """Return what of a task's input is missing; what was there a moment ago is taken to be there still."""
        if record.task is None or not record.task.spec.has_input_elsewhere:
            return None
        now_s = self._deps.clock.monotonic()
        if now_s - record.input_at_s < LOOK_EVERY_S:
            return None
        try:
            async with self.limit:
                await self.read(record)
        except InputNotReadyError as error:
            return error.hold
        record.input_at_s = now_s
        return None

    async def read(self, record: TaskRecord) -> bytes | None:
        """Return all input of a task as JSON as it is now, None when nothing of it comes from elsewhere.

        Raises:
            HeldError: Something is not there, or not what it must be.
            TransientError: Retry.
        """
        if record.task is None or not record.task.spec.has_input_elsewhere:
            return None
        spec = record.task.spec
        try:
            whole = spec.input | await self._dependencies.results(record)
        except ResultError as error:
            raise held.lost(str(error)) from error
        for source in spec.input_from:
            if source.as_ in whole:
                what = f"spec.input or spec.dependsOn has the key {source.as_} too; one of the two is needed"
                raise held.hopeless(source, Reason.INPUT_INVALID, what)
            value = await self._value(record, source)
            if value is not _ABSENT:
                whole[source.as_] = value
        content = encoded(whole)
        if len(content) > MAX_INPUT_BYTES:
            raise held.too_large(len(content), MAX_INPUT_BYTES)
        return content

    async def _value(self, record: TaskRecord, source: InputSource) -> Any:
        try:
            value = await self._found(record, source)
            if value is not _ABSENT:
                check(source.as_, value)
                encoded({source.as_: value})
        except UnusableValueError as error:
            what = f"{source_label(record.name[0], source)}: the value {error}"
            if source.task_ref is not None:
                raise held.hopeless(source, Reason.INPUT_INVALID, what) from None
            raise held.unreadable(source, what) from None
        except ForbiddenError:
            what = f"the operator may not read {source_label(record.name[0], source)}: RBAC must grant it get"
            raise held.forbidden(source, what) from None
        return value

    async def _found(self, record: TaskRecord, source: InputSource) -> Any:
        if source.task_ref is not None:
            return await self._of_task(record, source, source.task_ref)
        if source.secret_key_ref is not None:
            return await self._of_key(record, source, source.secret_key_ref, "secrets")
        assert source.config_map_key_ref is not None, "the CRD wants one of the three"
        return await self._of_key(record, source, source.config_map_key_ref, "configmaps")

    async def _of_key(self, record: TaskRecord, source: InputSource, ref: KeyRef, plural: str) -> Any:
        place = source_label(record.name[0], source)
        body = await self._deps.kube.core.get(plural, record.name[0], ref.name)
        if body is not None and plural == "secrets":
            _expect_allowed(source, place, body)
        raw = _raw(body, ref.key, plural) if body is not None else None
        if raw is None and source.optional:
            return _ABSENT
        if raw is None:
            raise held.absent(source, f"{place} {'does not exist' if body is None else f'has no key {ref.key!r}'}")
        try:
            return parsed(raw.decode(), source.format)
        except UnicodeDecodeError:
            raise UnusableValueError("is no UTF-8 text") from None

    async def _of_task(self, record: TaskRecord, source: InputSource, ref: TaskResultRef) -> Any:
        name = (record.name[0], ref.name)
        place = source_label(record.name[0], source)
        other = self._index.links.get(name)
        if other is None and source.optional:
            return _ABSENT
        if other is None:
            raise held.absent(source, f"{place} does not exist")
        if not other.is_finished:
            raise held.unfinished(source, f"the task waits for {place} to succeed")
        if not other.has_succeeded:
            if source.optional:
                return _ABSENT
            raise held.hopeless(source, Reason.DEPENDENCY_FAILED, f"{place} ended as {other.phase}")
        return await self._result(source, ref, name)

    async def _result(self, source: InputSource, ref: TaskResultRef, name: tuple[str, str]) -> Any:
        place = source_label(name[0], source)
        body = await self._deps.kube.resources.get(TASK_PLURAL, *name)
        if body is None and source.optional:
            return _ABSENT
        if body is None:
            raise held.absent(source, f"{place} does not exist")
        try:
            result = await result_of(body, self._deps.broker.objects)
        except ResultError as error:
            raise held.hopeless(source, Reason.DEPENDENCY_FAILED, str(error)) from None
        if ref.field is None or ref.field in result:
            return result if ref.field is None else result[ref.field]
        if source.optional:
            return _ABSENT
        raise held.hopeless(source, Reason.INPUT_NOT_FOUND, f"the result of {place} has no key {ref.field!r}")


def _expect_allowed(source: InputSource, place: str, secret: Body) -> None:
    """Nobody reads a Secret through a model who could not read it before, unless its owner allows that."""
    if (secret["metadata"].get("labels") or {}).get(INPUT_LABEL) != "allowed":
        what = f"{place} may not be an input: whoever owns it must give it the label {INPUT_LABEL}=allowed"
        raise held.forbidden(source, what)


def _raw(body: Body, key: str, plural: str) -> bytes | None:
    if plural == "configmaps" and key in (body.get("data") or {}):
        return str(body["data"][key]).encode()
    value = (body.get("binaryData" if plural == "configmaps" else "data") or {}).get(key)
    return base64.b64decode(value) if value is not None else None
