"""Takes responses off the broker: checks them, hands them to their task, drops what nobody may trust."""

import asyncio
import logging
from typing import Final

from pydantic import ValidationError

from cognitive_operator.api.names import TASK_PLURAL, AttemptKey, parse_response_subject
from cognitive_operator.api.wire import SIGNATURE_HEADER, Completed, Failed, attempt_key, is_signed
from cognitive_operator.errors import BrokerUnavailableError, MessageError, TransientError
from cognitive_operator.ports.broker import Delivery, RetainedResponse
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import PendingResponse
from cognitive_operator.reconcile.state.workqueue import WorkQueue

logger = logging.getLogger(__name__)
BATCH: Final = 64
WAIT_S: Final = 5.0
PAUSE_S: Final = 1.0
SHOWN_CHARS: Final = 512


def verified(response: RetainedResponse, master_key: bytes) -> tuple[str, AttemptKey, Completed | Failed]:
    """Return namespace, attempt and content of a response.

    Raises:
        MessageError: the subject, the signature or the content is wrong; the message can never be used.
    """
    parsed = parse_response_subject(response.subject)
    if parsed is None:
        raise MessageError("BadSubject", f"{response.subject!r} is not the subject of a response")
    outcome, namespace, key = parsed
    signature = response.headers.get(SIGNATURE_HEADER, "")
    if not signature:
        raise MessageError("Unsigned", f"the response has no {SIGNATURE_HEADER} header")
    if not is_signed(attempt_key(master_key, key.task_uid, key.number), response.subject, response.data, signature):
        raise MessageError("WrongSignature", "the signature was not made with this attempt's key")
    model = Completed if outcome == "completed" else Failed  # what the operator closed is told as a failure
    try:
        content: Completed | Failed = model.model_validate_json(response.data)
    except (ValidationError, RecursionError) as error:
        raise MessageError("Malformed", f"not a {outcome} response: {_first_line(error)}") from error
    if (content.task_uid, content.attempt, content.agent_uid) != (key.task_uid, key.number, key.agent_uid):
        raise MessageError("Malformed", "the content names another attempt than the subject")
    return namespace, key, content


def is_closed_response(subject: str) -> bool:
    """Tell whether a message is the operator's own note of an end, which is there for counting only."""
    parsed = parse_response_subject(subject)
    return parsed is not None and parsed[0] == "closed"


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return type(error).__name__


class ResponseInbox:
    """Moves responses from the broker's consumer to the tasks' reconciler, which acks them after its write."""

    def __init__(self, deps: Deps, index: Index, tasks: WorkQueue[str]) -> None:
        self._deps = deps
        self._index = index
        self._tasks = tasks

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                deliveries = await self._deps.broker.responses.fetch(BATCH, WAIT_S)
            except BrokerUnavailableError:
                await asyncio.sleep(PAUSE_S)
                continue
            for delivery in deliveries:
                await self._take(delivery)

    async def _take(self, delivery: Delivery) -> None:
        if is_closed_response(delivery.response.subject):
            return await delivery.ack()
        try:
            namespace, key, content = verified(delivery.response, self._deps.master_key)
        except MessageError as error:
            return await self._reject(delivery, error)
        try:
            is_known = await self._is_known(namespace, key, content.task_name)
        except TransientError:
            await delivery.nak(PAUSE_S)
            return
        if is_known:
            self._index.tasks[key.task_uid].pending_responses.append(
                PendingResponse(namespace, key, content, delivery, delivery.response.sequence)
            )
            self._tasks.add(key.task_uid)
        else:
            self._deps.metrics.count("results_dropped", reason="TaskGone")
            await delivery.term()

    async def _is_known(self, namespace: str, key: AttemptKey, name: str) -> bool:
        record = self._index.tasks.get(key.task_uid)
        if record is None:
            body = await self._deps.kube.resources.get(TASK_PLURAL, namespace, name)
            if body is None or body["metadata"]["uid"] != key.task_uid:
                return False
            self._index.upsert_task(body, self._deps.clock.monotonic())
            record = self._index.tasks[key.task_uid]
        return record.name[0] == namespace

    async def _reject(self, delivery: Delivery, error: MessageError) -> None:
        subject, cause = delivery.response.subject[:SHOWN_CHARS], str(error)[:SHOWN_CHARS]
        logger.warning("dropped a response", extra={"subject": subject, "reason": error.reason, "cause": cause})
        self._deps.metrics.count("results_dropped", reason=error.reason)
        await delivery.reject(error.reason, cause)
