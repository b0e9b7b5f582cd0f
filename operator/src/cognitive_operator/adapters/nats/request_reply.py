"""Requests and their replies over one connection."""

import asyncio
from collections.abc import Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg

from cognitive_operator.errors import BrokerUnavailableError


class RequestReply:
    """Matches replies with requests by the subject of the reply.

    It replaces the client library's own requests: a lost connection fails the requests in flight at once, and no
    cancellation is swallowed.
    """

    def __init__(self, client: Client, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._inbox = client.new_inbox()
        self._sent = 0
        self._in_flight: dict[str, asyncio.Future[Msg]] = {}

    async def start(self) -> None:
        """Begin to listen for replies."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_reply)

    def fail_all(self, reason: str) -> None:
        """Fail every request in flight."""
        for reply in self._in_flight.values():
            if not reply.done():
                reply.set_exception(BrokerUnavailableError(reason))

    async def request(self, subject: str, payload: bytes, headers: Mapping[str, str] | None) -> Msg:
        """Return the reply to a request.

        Raises:
            BrokerUnavailableError: No responder on the subject, no reply in time, or the connection was lost.
        """
        self._sent += 1
        inbox = f"{self._inbox}.{self._sent}"
        reply = self._in_flight[inbox] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.publish(subject, payload, reply=inbox, headers=dict(headers) if headers else None)
                message: Msg = await reply
        except TimeoutError as error:
            raise BrokerUnavailableError(f"{subject}: no answer within {self._timeout_s:g} s") from error
        finally:
            del self._in_flight[inbox]
        if (message.headers or {}).get("Status") == "503" and not message.data:
            raise BrokerUnavailableError(f"{subject}: no responder (JetStream is off, or the stream does not exist)")
        return message

    async def _on_reply(self, message: Msg) -> None:
        reply = self._in_flight.get(message.subject)
        if reply is not None and not reply.done():
            reply.set_result(message)
