"""Requests and their answers over one connection."""

import asyncio
from collections.abc import Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg

from cognitive_operator.errors import BrokerUnavailableError


class RequestReply:
    """Matches answers with requests by the subject that they come to.

    In place of the client's own: a lost connection ends at once what waits on it, and no cancellation is swallowed.
    """

    def __init__(self, client: Client, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._inbox = client.new_inbox()
        self._sent = 0
        self._waiting: dict[str, asyncio.Future[Msg]] = {}

    async def start(self) -> None:
        """Begin to listen for answers."""
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)

    def end(self, reason: str) -> None:
        """Fail every request that waits."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(BrokerUnavailableError(reason))

    async def ask(self, subject: str, payload: bytes, headers: Mapping[str, str] | None) -> Msg:
        """Return the answer.

        Raises:
            BrokerUnavailableError: Nobody serves the subject, no answer in time, or the connection was lost.
        """
        self._sent += 1
        reply = f"{self._inbox}.{self._sent}"
        answer = self._waiting[reply] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.publish(subject, payload, reply=reply, headers=dict(headers) if headers else None)
                message: Msg = await answer
        except TimeoutError as error:
            raise BrokerUnavailableError(f"{subject}: no answer within {self._timeout_s:g} s") from error
        finally:
            del self._waiting[reply]
        if (message.headers or {}).get("Status") == "503" and not message.data:
            raise BrokerUnavailableError(f"{subject}: nobody serves it (JetStream off, or the stream gone)")
        return message

    async def _on_answer(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject)
        if answer is not None and not answer.done():
            answer.set_result(message)
