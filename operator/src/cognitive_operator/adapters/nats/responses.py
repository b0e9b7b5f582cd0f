"""Responses in their stream (port ``Responses``)."""

import logging
from collections.abc import Mapping, Sequence

from cognitive_operator.adapters.nats.jetstream import WRONG_LAST_SEQUENCE, JetStreamError
from cognitive_operator.adapters.nats.response_pull import ResponsePuller
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.api.names import RESPONSE_STREAM
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.broker import Delivery, RetainedResponse
from cognitive_operator.ports.clock import Clock

_logger = logging.getLogger(__name__)


class NatsResponses:
    """Fetches, reads and publishes responses."""

    def __init__(self, session: NatsSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._puller = ResponsePuller(session.connection, session.check_streams)
        session.on_connection_change(self._puller.wake)

    async def fetch(self, batch: int, timeout_s: float) -> Sequence[Delivery]:
        """Wait for up to ``batch`` deliveries; an empty sequence after ``timeout_s``.

        Raises:
            BrokerUnavailableError: There was no connection at the end of ``timeout_s``.
        """
        deadline = self._clock.monotonic() + timeout_s
        while True:
            taken = self._puller.take(batch)
            remaining_s = deadline - self._clock.monotonic()
            if taken or (remaining_s <= 0 and self._session.is_ready):
                return taken
            if remaining_s <= 0:
                raise self._session.unavailable
            await self._wait(batch, remaining_s)

    async def stop(self) -> None:
        """End the present fetch at the broker; responses that were delivered and not settled are delivered again."""
        await self._puller.stop()

    async def stream_created_at(self) -> str:
        """Return the creation time of the stream, which distinguishes it from one that replaced it."""
        async with self._session.use() as js:
            return str((await js.call(f"STREAM.INFO.{RESPONSE_STREAM}"))["created"])

    async def read(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        """Return the first ``limit`` messages after sequence number ``after`` whose subject matches, in their order."""
        async with self._session.use() as js:
            found = await js.read(RESPONSE_STREAM, subjects, after + 1, limit)
        return [RetainedResponse(s.subject, s.headers, s.data, s.sequence, s.stored_at) for s in found]

    async def publish_closed(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Publish a closed response, which ends an attempt, unless the subject already has a message.

        Returns:
            The sequence number of the stored message.
        """
        async with self._session.use() as js:
            try:
                return await js.publish(subject, payload, {**headers, "Nats-Expected-Last-Subject-Sequence": "0"})
            except JetStreamError as error:
                if error.err_code not in WRONG_LAST_SEQUENCE:
                    raise
                stored = await js.last(RESPONSE_STREAM, subject)
                if stored is None:
                    raise
                return stored.sequence

    async def _wait(self, batch: int, timeout_s: float) -> None:
        """Wait for messages while the session is ready, else for its readiness."""
        try:
            if self._session.is_ready:
                await self._puller.wait(batch, timeout_s)
                return
        except BrokerUnavailableError:
            _logger.debug("the connection was lost while waiting for responses")
        await self._session.wait_for_change(timeout_s)
