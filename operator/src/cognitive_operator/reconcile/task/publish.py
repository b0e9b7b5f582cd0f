"""Publishes the requests of attempts, with their input inside or in an object beside them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cognitive_operator.api.names import AttemptKey, input_name, request_subject, results_bucket
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import InputRef, Request
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.desired.deliberation import desired_deliberation
from cognitive_operator.desired.input import INLINE_INPUT_BYTES, encoded
from cognitive_operator.desired.request import desired_request, with_learnt
from cognitive_operator.desired.variant import with_variant
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.agent.model.behaviour import unexpired
from cognitive_operator.plan.attempt.trace import traceparent
from cognitive_operator.ports.broker import Objects, Requests
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.gates.inputs import InputGate


class RequestFactory:
    """Makes the requests of attempts, without their input."""

    def __init__(self, master_key: bytes, clock: Clock, *, is_traced: bool) -> None:
        self._master_key = master_key
        self._clock = clock
        self._is_traced = is_traced

    def make(self, task: Task, agent: Agent, key: AttemptKey, learnt: Sequence[LearntModel] = ()) -> Request:
        """Return the request of an attempt, with the attempt's key and trace, and learnt behaviour that holds."""
        now = self._clock.now()
        known = unexpired(learnt, datetime.fromisoformat(now).timestamp()) if learnt else ()
        request = with_learnt(desired_request(task, agent, key, self._master_key, now), known)
        return request.model_copy(update={"traceparent": traceparent(key)}) if self._is_traced else request


class RequestPublisher:
    """Publishes the request of an attempt, once its input is read."""

    def __init__(
        self, requests: Requests, objects: Objects, factory: RequestFactory, inputs: InputGate, index: Index
    ) -> None:
        self._requests = requests
        self._objects = objects
        self._factory = factory
        self._inputs = inputs
        self._index = index

    async def publish(self, record: TaskRecord, task: Task, agent: Agent, key: AttemptKey) -> bool:
        """Publish the request of an attempt; False: the stream holds it already, and the caller adopts it.

        Raises:
            InputNotReadyError: An input no longer exists.
            MessageError: The message is larger than the broker's limit. Do not retry.
            TransientError: The caller should retry.
        """
        if not task.spec.has_input_elsewhere:
            return await self._send(record, self._make(record, task, agent, key), key, task.spec.input, None)
        async with self._inputs.read_permit(record):
            content = await self._inputs.read(record)
            request = self._make(record, task, agent, key)
            return await self._send(record, request, key, json.loads(content or b"{}"), content)

    def _make(self, record: TaskRecord, task: Task, agent: Agent, key: AttemptKey) -> Request:
        known = self._index.agent_of(record)
        request = self._factory.make(task, agent, key, known.learnt if known is not None else ())
        if agent.spec.llm.variants:
            request = with_variant(request, agent, task.status.variant)
        changes: dict[str, Any] = {"signature": record.signature.snapshot} if record.signature is not None else {}
        if task.spec.deliberation is not None:
            judge = record.judge.snapshot if record.judge is not None else None
            changes["deliberation"] = desired_deliberation(task.spec.deliberation, judge)
        return request.model_copy(update=changes) if changes else request

    async def _send(
        self, record: TaskRecord, request: Request, key: AttemptKey, given: Mapping[str, Any], content: bytes | None
    ) -> bool:
        subject = request_subject(record.name[0], key)
        if content is None or len(content) <= INLINE_INPUT_BYTES:
            whole = request.model_copy(update={"input": dict(given)})
            try:
                return await self._requests.publish(subject, whole.model_dump_json().encode())
            except MessageError:  # the input may fit beside the request, where the broker's max_payload is small
                content = content or encoded(given)
        self._index.update_task(record.uid, has_input_beside=True)
        return await self._send_beside(subject, request, key, content)

    async def _send_beside(self, subject: str, request: Request, key: AttemptKey, content: bytes) -> bool:
        name, bucket = input_name(key), results_bucket(key.agent_uid)
        await self._objects.put(key.agent_uid, name, content)
        digest = hashlib.sha256(content).hexdigest()
        ref = InputRef(bucket=bucket, name=name, size_bytes=len(content), sha256=digest)
        short = request.model_copy(update={"input": {}, "input_ref": ref})
        return await self._requests.publish(subject, short.model_dump_json().encode())
