"""Publishes the requests of attempts, with their input inside or beside them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cognitive_operator.api.names import AttemptKey, input_name, request_subject, results_bucket
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import InputRef, Request
from cognitive_operator.desired.input import INLINE_INPUT_BYTES, encoded
from cognitive_operator.desired.request import desired_request
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.trace import traceparent
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.reconcile.task.gates.inputs import InputGate


class RequestPublisher:
    """Makes the request of an attempt and hands it to the broker."""

    def __init__(self, deps: Deps, inputs: InputGate) -> None:
        self._deps = deps
        self._inputs = inputs

    async def publish(self, record: TaskRecord, agent: Agent, key: AttemptKey) -> bool:
        """Publish the request of an attempt; False: it exists already, adopt it.

        Raises:
            HeldError: What the input refers to is not there any more.
            MessageError: The broker takes no message of this size.
            TransientError: Retry.
        """
        task = record.task
        if task is None:
            return False
        if not task.spec.has_input_elsewhere:
            return await self._send(record, self._request(task, agent, key), key, task.spec.input, None)
        async with self._inputs.limit:
            content = await self._inputs.read(record)
            return await self._send(record, self._request(task, agent, key), key, json.loads(content or b"{}"), content)

    def _request(self, task: Task, agent: Agent, key: AttemptKey) -> Request:
        request = desired_request(task, agent, key, self._deps.master_key, self._deps.clock.now())
        return request.model_copy(update={"traceparent": traceparent(key)}) if self._deps.tracer.is_on else request

    async def _send(
        self, record: TaskRecord, request: Request, key: AttemptKey, given: Mapping[str, Any], content: bytes | None
    ) -> bool:
        subject = request_subject(record.name[0], key)
        if content is None or len(content) <= INLINE_INPUT_BYTES:
            whole = request.model_copy(update={"input": dict(given)})
            try:
                return await self._deps.broker.requests.publish(subject, whole.model_dump_json().encode())
            except MessageError:  # a broker whose max_payload is small
                content = content or encoded(given)
        record.has_input_beside = True
        return await self._send_beside(subject, request, key, content)

    async def _send_beside(self, subject: str, request: Request, key: AttemptKey, content: bytes) -> bool:
        name, bucket = input_name(key), results_bucket(key.agent_uid)
        await self._deps.broker.objects.put(key.agent_uid, name, content)
        digest = hashlib.sha256(content).hexdigest()
        ref = InputRef(bucket=bucket, name=name, size_bytes=len(content), sha256=digest)
        short = request.model_copy(update={"input": {}, "input_ref": ref})
        return await self._deps.broker.requests.publish(subject, short.model_dump_json().encode())
