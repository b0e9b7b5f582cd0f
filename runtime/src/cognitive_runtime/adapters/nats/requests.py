"""Pulling of requests from the agent's durable consumer."""

import asyncio
import contextlib
import json
import logging
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from uuid import uuid4

from nats.aio.msg import Msg

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import BrokerUnavailable
from cognitive_runtime.adapters.nats.subjects import REQUEST_STREAM

_LOGGER: Final = logging.getLogger(__name__)
_EXPIRES_S: Final = 10.0
_SLACK_S: Final = 2.0
"""A pull request that is unanswered this long after its expiry was lost with a connection."""
_WAIT_S: Final = 1.0
_RETRY_S: Final = 0.5
_SILENCE_S: Final = 1.0
"""The broker answers at once for a missing consumer. Silence for this long means that the consumer exists."""
_EXPIRED: Final = "408"
_NO_RESPONDERS: Final = "503"
_DELETED: Final = ("Consumer Deleted", "Stream Deleted")


@dataclass(frozen=True)
class NatsDelivery:
    """One delivery of a request. Implements ``IDelivery``."""

    broker: BrokerConnection
    attempt_id: str
    data: bytes
    reply: str

    async def ack(self) -> None:
        """Acknowledge the request. If this is lost, the redelivery finds the attempt claimed."""
        await self._answer(b"+ACK")

    async def reject(self) -> None:
        """Ask for immediate redelivery to another worker."""
        await self._answer(b"-NAK")

    async def terminate(self) -> None:
        """Reject an unreadable request for good: no redelivery."""
        await self._answer(b"+TERM")

    async def _answer(self, word: bytes) -> None:
        with contextlib.suppress(BrokerUnavailable):
            await self.broker.send(self.reply, word)


@dataclass
class NatsRequestSource:
    """Pulls the requests of one agent. Implements ``IRequestSource``.

    The source keeps one pull request open for each free slot, so that a request reaches a waiting worker without a
    round trip. It never pulls more: another worker could run the request that waits in a busy one.
    """

    broker: BrokerConnection
    agent_uid: str
    problem: str | None = None
    _inbox: str = ""
    _is_inbox_old: bool = True
    """True if the inbox belongs to an earlier connection. The broker drops the pull requests of an earlier connection
    only if their inbox has no subscriber, so each connection uses a new inbox."""
    _pull_requests: dict[str, float] = field(default_factory=dict)
    """Send time of each open pull request by its token, oldest first: the broker answers them in this order."""
    _arrived: deque[NatsDelivery] = field(default_factory=deque)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: bool = False
    _pause_until: float = 0.0

    async def start(self) -> None:
        """Subscribe to the answers."""
        self.broker.on_reconnect(self._discard_pull_requests)
        await self._listen()

    async def next(self, slots: int) -> NatsDelivery | None:
        """Pull at most ``slots`` requests and return one, or None after one second or after ``wake``."""
        await self._pull(slots)
        if not self._arrived:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_S):
                    await self._changed.wait()
        self._changed.clear()
        return self._arrived.popleft() if self._arrived else None

    def wake(self) -> None:
        """Make a waiting ``next`` return."""
        self._changed.set()

    async def stop(self) -> None:
        """Unsubscribe, which cancels the open pull requests, and reject the deliveries that were not handed out."""
        self._stopped = True
        self.wake()
        await self.broker.unlisten(f"{self._inbox}.*")
        while self._arrived:
            await self._arrived.popleft().reject()

    async def _listen(self) -> None:
        """Subscribe to a new inbox."""
        self._is_inbox_old = False
        old, self._inbox = self._inbox, f"_INBOX.{self.agent_uid}.{uuid4().hex}"
        if old:
            await self.broker.unlisten(f"{old}.*")
        await self.broker.listen(f"{self._inbox}.*", self._on_answer)

    async def _pull(self, slots: int) -> None:
        if self._is_inbox_old and not self._stopped:
            await self._listen()
        now = _now()
        self._pull_requests = {
            token: at for token, at in self._pull_requests.items() if now < at + _EXPIRES_S + _SLACK_S
        }
        if any(now - at > _SILENCE_S for at in self._pull_requests.values()):
            self.problem = None
        if now < self._pause_until or self._stopped:
            return
        for _ in range(slots - len(self._pull_requests) - len(self._arrived)):
            await self._send_pull_request(now)

    async def _send_pull_request(self, now: float) -> None:
        token = uuid4().hex[:12]
        body = json.dumps({"batch": 1, "expires": int(_EXPIRES_S * 1e9)}).encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{REQUEST_STREAM}.{self.agent_uid}"
        self._pull_requests[token] = now
        try:
            await self.broker.send(subject, body, reply=f"{self._inbox}.{token}")
        except BrokerUnavailable:
            self._pull_requests.pop(token, None)

    async def _on_answer(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is not None:
            token = message.subject.rpartition(".")[2]
            self._on_status(token, status, (message.headers or {}).get("Description", ""))
            return
        self.problem = None
        if self._pull_requests:
            del self._pull_requests[next(iter(self._pull_requests))]
        delivery = NatsDelivery(self.broker, _attempt_id(message.subject), message.data, message.reply)
        if self._stopped:
            await delivery.reject()
            return
        self._arrived.append(delivery)
        self.wake()

    def _on_status(self, token: str, status: str, description: str) -> None:
        self._pull_requests.pop(token, None)
        if status == _EXPIRED:
            self.problem = None
        else:
            self._pause_until = _now() + _RETRY_S
        if status == _NO_RESPONDERS or description in _DELETED:
            self._set_problem(f"status {status} {description}".strip())
        self.wake()

    def _set_problem(self, answer: str) -> None:
        if self.problem is None:
            _LOGGER.warning(
                "cannot pull requests: the consumer is missing", extra={"event": "ConsumerMissing", "answer": answer}
            )
        self.problem = f"Consumer {self.agent_uid} of stream {REQUEST_STREAM} does not answer: {answer}."

    def _discard_pull_requests(self) -> None:
        self._pull_requests.clear()
        self._is_inbox_old = True
        self.wake()


def _attempt_id(subject: str) -> str:
    return ".".join(subject.split(".")[-2:])


def _now() -> float:
    return asyncio.get_running_loop().time()
