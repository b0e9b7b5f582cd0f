"""One delivery of a response (port ``Delivery``)."""

import contextlib
import json
from base64 import b64encode

from nats.aio.msg import Msg

from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.api.names import dead_letter_subject
from cognitive_operator.api.wire import DEAD_LETTER_BYTES, DeadLetter
from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.ports.broker import RetainedResponse


class NatsDelivery:
    """One delivery of a response. It can be settled over a later connection than the one that it arrived on."""

    def __init__(self, connection: NatsConnection, message: Msg) -> None:
        self._connection = connection
        self._reply = message.reply
        self._deliveries = message.metadata.num_delivered
        self._response = RetainedResponse(
            message.subject, message.headers or {}, message.data, message.metadata.sequence.stream
        )

    @property
    def response(self) -> RetainedResponse:
        """The message."""
        return self._response

    @property
    def deliveries(self) -> int:
        """Number of times that the message was delivered, from 1."""
        return self._deliveries

    async def ack(self) -> None:
        """Settle: never deliver again."""
        await self._settle(b"+ACK")

    async def term(self) -> None:
        """Settle a message for which no attempt is waiting."""
        await self._settle(b"+TERM")

    async def reject(self, reason: str, cause: str) -> None:
        """Settle a message that can never be used, and store a dead letter with the reason and the cause."""
        letter = DeadLetter(
            subject=self._response.subject,
            sequence=self._response.sequence,
            reason=reason,
            cause=cause,
            size_bytes=len(self._response.data),
            data_base64=b64encode(self._response.data[:DEAD_LETTER_BYTES]).decode(),
        )
        with contextlib.suppress(CognitiveOperatorError):
            subject = dead_letter_subject(self._response.subject)
            await self._connection.publish(subject, letter.model_dump_json().encode())
        await self.term()

    async def nak(self, delay_s: float) -> None:
        """Request another delivery after the delay."""
        await self._settle(b"-NAK " + json.dumps({"delay": int(delay_s * 1e9)}).encode())

    async def _settle(self, answer: bytes) -> None:
        with contextlib.suppress(CognitiveOperatorError):
            await self._connection.publish(self._reply, answer)
