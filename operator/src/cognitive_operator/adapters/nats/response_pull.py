"""Pull requests to the durable consumer of responses: one long pull, so that the first message arrives at once."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from nats.aio.msg import Msg

from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.delivery import NatsDelivery
from cognitive_operator.api.names import RESPONSE_CONSUMER, RESPONSE_STREAM
from cognitive_operator.ports.broker import Delivery

_NEXT: Final = f"$JS.API.CONSUMER.MSG.NEXT.{RESPONSE_STREAM}.{RESPONSE_CONSUMER}"
_EXPIRES_S: Final = 30
_HEARTBEAT_S: Final = 5
_PAUSE_S: Final = 0.2
"""Pause before the next pull when the server ended one for a reason."""


class ResponsePuller:
    """Keeps at most one pull at the broker and hands out what it brought."""

    def __init__(self, connection: NatsConnection, on_trouble: Callable[[], None]) -> None:
        self._connection = connection
        self._on_trouble = on_trouble
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._inbox = ""
        self._inbox_of = 0
        self._pulls = 0
        self._wanted = 0
        """How many messages the present pull may still bring."""
        self._silent_until = 0.0
        """When the present pull counts as dead unless the server says something; before a pull: not before this."""

    def take(self, batch: int) -> Sequence[Delivery]:
        """Return what has arrived, at most ``batch``; never waits."""
        self._arrived.clear()
        return [self._waiting.popleft() for _ in range(min(batch, len(self._waiting)))]

    async def wait(self, batch: int, timeout_s: float) -> None:
        """Wait until something arrived, the pull needs care or ``timeout_s`` is over.

        Raises:
            BrokerUnavailableError: The connection broke; retry.
        """
        await self._keep_pulling(batch)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, self._care_in_s())):
                await self._arrived.wait()

    def wake(self) -> None:
        """End the present wait: the connection changed."""
        self._arrived.set()

    async def _keep_pulling(self, batch: int) -> None:
        if self._inbox_of != self._connection.number:
            await self._listen()
        if self._care_in_s() > 0:
            return
        if self._wanted:  # no heartbeat: the consumer or the server behind it may be gone
            self._on_trouble()
        await self._pull(batch)

    async def _listen(self) -> None:
        """Begin to listen on the present connection; a pull of an earlier one died with it."""
        number, inbox = self._connection.number, self._connection.new_inbox()
        await self._connection.subscribe(f"{inbox}.*", self._on_message)
        self._inbox, self._inbox_of, self._wanted, self._silent_until = inbox, number, 0, 0.0

    async def _pull(self, batch: int) -> None:
        self._pulls += 1
        self._wanted = batch
        self._silent_until = _now() + 2 * _HEARTBEAT_S + 1
        body = {"batch": batch, "expires": _EXPIRES_S * 10**9, "idle_heartbeat": _HEARTBEAT_S * 10**9}
        await self._connection.publish(_NEXT, json.dumps(body).encode(), reply=f"{self._inbox}.{self._pulls}")

    def _care_in_s(self) -> float:
        """Seconds until a new pull is due."""
        return self._silent_until - _now()

    async def _on_message(self, message: Msg) -> None:
        if message.reply.startswith("$JS.ACK."):
            self._on_response(message)
        elif message.subject == f"{self._inbox}.{self._pulls}":  # a status of an earlier pull says nothing any more
            self._on_status((message.headers or {}).get("Status", ""))

    def _on_response(self, message: Msg) -> None:
        self._waiting.append(NatsDelivery(self._connection, message))
        self._wanted = max(0, self._wanted - 1)
        self._silent_until = _now() + 2 * _HEARTBEAT_S + 1 if self._wanted else 0.0
        self._arrived.set()

    def _on_status(self, status: str) -> None:
        """Handle 100 (heartbeat), 408 (the pull's time is over) and whatever else ends a pull."""
        if status == "100":
            self._silent_until = _now() + 2 * _HEARTBEAT_S + 1
            return
        self._wanted = 0
        self._silent_until = 0.0 if status == "408" else _now() + _PAUSE_S
        if status != "408":  # 409: consumer deleted, server shutting down; 503: nobody serves the consumer
            self._on_trouble()
        self._arrived.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
