"""Pull requests to the durable consumer of responses: one long pull, so that the first message arrives at once."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.delivery import NatsDelivery
from cognitive_operator.api.names import RESPONSE_CONSUMER, RESPONSE_STREAM
from cognitive_operator.ports.broker import Delivery

_NEXT: Final = f"$JS.API.CONSUMER.MSG.NEXT.{RESPONSE_STREAM}.{RESPONSE_CONSUMER}"
_EXPIRES_S: Final = 30
_HEARTBEAT_S: Final = 5
_SILENCE_S: Final = 2 * _HEARTBEAT_S + 1
"""Silence after which a pull is given up: two heartbeats were missed."""
_PAUSE_S: Final = 0.2
"""Pause before the next pull when the server ended one with an error."""


class ResponsePuller:
    """Keeps at most one pull request outstanding and buffers the messages it receives."""

    def __init__(self, connection: NatsConnection, on_failure: Callable[[], None]) -> None:
        """Take the connection; ``on_failure`` is called when the consumer does not answer or is absent."""
        self._connection = connection
        self._on_failure = on_failure
        self._received: deque[Delivery] = deque()
        self._changed = asyncio.Event()
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._inbox_connection = 0
        self._pulls = 0
        self._outstanding = 0
        """Messages that the present pull may still deliver."""
        self._next_pull_s = 0.0
        """Loop time at which a new pull is sent; each message or heartbeat of the present pull postpones it."""

    def take(self, batch: int) -> Sequence[Delivery]:
        """Return the messages received so far, at most ``batch``; never waits."""
        self._changed.clear()
        return [self._received.popleft() for _ in range(min(batch, len(self._received)))]

    async def wait(self, batch: int, timeout_s: float) -> None:
        """Wait until a message was received, a new pull must be sent or ``timeout_s`` is over.

        Raises:
            BrokerUnavailableError: The connection broke; retry.
        """
        await self._ensure_pull(batch)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, self._next_pull_in_s())):
                await self._changed.wait()

    async def stop(self) -> None:
        """End the present pull, so that the broker delivers no more to this process, and forget what it delivered."""
        subscription, self._subscription = self._subscription, None
        self._inbox_connection = 0
        self._received.clear()
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()

    def wake(self) -> None:
        """End the present wait, since the connection changed."""
        self._changed.set()

    async def _ensure_pull(self, batch: int) -> None:
        if self._inbox_connection != self._connection.number:
            await self._subscribe()
        if self._next_pull_in_s() > 0:
            return
        if self._outstanding:  # no heartbeat: the consumer or its server may be absent
            self._on_failure()
        await self._pull(batch)

    async def _subscribe(self) -> None:
        """Begin to listen on the present connection; a pull of an earlier one ended with it."""
        number, inbox = self._connection.number, self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(f"{inbox}.*", self._on_message)
        self._inbox, self._inbox_connection, self._outstanding, self._next_pull_s = inbox, number, 0, 0.0

    async def _pull(self, batch: int) -> None:
        self._pulls += 1
        self._outstanding = batch
        self._next_pull_s = _now() + _SILENCE_S
        body = {"batch": batch, "expires": _EXPIRES_S * 10**9, "idle_heartbeat": _HEARTBEAT_S * 10**9}
        await self._connection.publish(_NEXT, json.dumps(body).encode(), reply=f"{self._inbox}.{self._pulls}")

    def _next_pull_in_s(self) -> float:
        """Return the seconds until a new pull must be sent."""
        return self._next_pull_s - _now()

    async def _on_message(self, message: Msg) -> None:
        if message.reply.startswith("$JS.ACK."):
            self._on_response(message)
        elif message.subject == f"{self._inbox}.{self._pulls}":  # the status of an earlier pull is obsolete
            self._on_status((message.headers or {}).get("Status", ""))

    def _on_response(self, message: Msg) -> None:
        self._received.append(NatsDelivery(self._connection, message))
        self._outstanding = max(0, self._outstanding - 1)
        self._next_pull_s = _now() + _SILENCE_S if self._outstanding else 0.0
        self._changed.set()

    def _on_status(self, status: str) -> None:
        """Handle 100 (heartbeat), 408 (the pull expired) and every other status, which ends the pull with an error."""
        if status == "100":
            self._next_pull_s = _now() + _SILENCE_S
            return
        self._outstanding = 0
        self._next_pull_s = 0.0 if status == "408" else _now() + _PAUSE_S
        if status != "408":  # 409: consumer deleted, server shutting down; 503: no responder
            self._on_failure()
        self._changed.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
