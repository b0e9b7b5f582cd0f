"""Requests, pulled from the agent's durable consumer."""

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
"""A question without an answer so long after its end was lost with a connection."""
_WAIT_S: Final = 1.0
_RETRY_S: Final = 0.5
_SILENCE_S: Final = 1.0
"""For a consumer that does not exist the broker answers at once; one that is silent for so long exists."""
_EXPIRED: Final = "408"
_NOBODY: Final = "503"
_DELETED: Final = ("Consumer Deleted", "Stream Deleted")


@dataclass(frozen=True)
class NatsDelivery:
    """One delivery of a request. Implements ``IDelivery``."""

    broker: BrokerConnection
    attempt_id: str
    data: bytes
    reply: str

    async def ack(self) -> None:
        """Acknowledge. An acknowledgement that is lost costs one more delivery, which finds the claim."""
        await self._answer(b"+ACK")

    async def reject(self) -> None:
        """Ask for delivery to somebody else at once."""
        await self._answer(b"-NAK")

    async def terminate(self) -> None:
        """Ask for no other delivery: nobody can ever read this request."""
        await self._answer(b"+TERM")

    async def _answer(self, word: bytes) -> None:
        with contextlib.suppress(BrokerUnavailable):
            await self.broker.send(self.reply, word)


@dataclass
class NatsRequestSource:
    """Pulls the requests of one agent. Implements ``IRequestSource``.

    It keeps one question for one request open for each free slot, so that a request travels to a waiting worker without
    a round trip, and never asks for more: what waits in a busy worker could have been run by another.
    """

    broker: BrokerConnection
    agent_uid: str
    problem: str | None = None
    _inbox: str = ""
    _is_inbox_old: bool = True
    """Each connection has an inbox of its own: what was asked on an earlier one may be answered into nothing, and the
    broker leaves such a question out only when nobody listens for its answer."""
    _pull_requests: dict[str, float] = field(default_factory=dict)
    """When each open question was asked, oldest first: the order in which the broker answers them."""
    _arrived: deque[NatsDelivery] = field(default_factory=deque)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _stopped: bool = False
    _pause_until: float = 0.0

    async def start(self) -> None:
        """Listen for answers."""
        self.broker.on_reconnect(self._discard_pull_requests)
        await self._listen()

    async def next(self, slots: int) -> NatsDelivery | None:
        """Ask for at most ``slots`` requests and return one, or None after a second or ``wake``."""
        await self._pull(slots)
        if not self._arrived:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WAIT_S):
                    await self._changed.wait()
        self._changed.clear()
        return self._arrived.popleft() if self._arrived else None

    def wake(self) -> None:
        """Let a waiting ``next`` return."""
        self._changed.set()

    async def stop(self) -> None:
        """Ask for nothing more and give back what has arrived; the broker forgets questions that nobody listens for."""
        self._stopped = True
        self.wake()
        await self.broker.unlisten(f"{self._inbox}.*")
        while self._arrived:
            await self._arrived.popleft().reject()

    async def _listen(self) -> None:
        """Listen for answers on an inbox that was never asked from."""
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
        if status == _NOBODY or description in _DELETED:
            self._note_problem(f"status {status} {description}".strip())
        self.wake()

    def _note_problem(self, answer: str) -> None:
        if self.problem is None:
            _LOGGER.warning("cannot pull requests", extra={"event": "ConsumerMissing", "answer": answer})
        self.problem = f"Consumer {self.agent_uid} of stream {REQUEST_STREAM} does not answer: {answer}."

    def _discard_pull_requests(self) -> None:
        self._pull_requests.clear()
        self._is_inbox_old = True
        self.wake()


def _attempt_id(subject: str) -> str:
    return ".".join(subject.split(".")[-2:])


def _now() -> float:
    return asyncio.get_running_loop().time()
