"""Requests of attempts in their stream (port ``Requests``)."""

from cognitive_operator.adapters.nats.claims import claimed_attempts
from cognitive_operator.adapters.nats.jetstream import WRONG_LAST_SEQUENCE, JetStream, JetStreamError
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.api.names import REQUEST_STREAM, AttemptKey, parse_request_subject


class NatsRequests:
    """Publishes, lists and deletes the requests of attempts."""

    def __init__(self, session: NatsSession) -> None:
        self._session = session

    async def publish(self, subject: str, payload: bytes) -> bool:
        """Publish the request of an attempt; False when the stream holds one already, which the caller adopts.

        Raises:
            BrokerUnavailableError: Not known whether the stream holds it: publish again.
            MessageError: The message is larger than the broker's limit.
        """
        async with self._session.use() as js:
            try:
                await js.publish(subject, payload, {"Nats-Expected-Last-Subject-Sequence": "0"})
            except JetStreamError as error:
                if error.err_code not in WRONG_LAST_SEQUENCE:
                    raise
                return False
            return True

    async def list(self) -> set[tuple[str, AttemptKey]]:
        """Return namespace and attempt of every request in the stream."""
        async with self._session.use() as js:
            return await _requested(js, "*")

    async def read(self, subject: str) -> bytes | None:
        """Return the request of an attempt, None if the stream holds none.

        Raises:
            BrokerUnavailableError: The caller should retry.
        """
        async with self._session.use() as js:
            stored = await js.last(REQUEST_STREAM, subject)
            return None if stored is None else stored.data

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts of an agent that have a request, but neither a claim nor the marker of a purged one."""
        async with self._session.use() as js:
            requested = {key for _, key in await _requested(js, agent_uid)}
            return requested - await claimed_attempts(js, f"{agent_uid}.>")

    async def delete(self, subject: str) -> bool:
        """Delete a request; False: there is none."""
        async with self._session.use() as js:
            stored = await js.last(REQUEST_STREAM, subject)
            if stored is None:
                return False
            body = {"seq": stored.sequence, "no_erase": True}
            return await js.call_optional(f"STREAM.MSG.DELETE.{REQUEST_STREAM}", body) is not None


async def _requested(js: JetStream, agent_uid: str) -> set[tuple[str, AttemptKey]]:
    """Return namespace and attempt of the requests of one agent, or of all by ``*``."""
    subjects = js.subjects(REQUEST_STREAM, f"agent.request.*.{agent_uid}.>")
    return {parsed async for subject in subjects if (parsed := parse_request_subject(subject))}
