"""JetStream as the operator's broker (port ``Broker``)."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from cognitive_operator.adapters.nats import layout
from cognitive_operator.adapters.nats.connection import NatsConnection, NatsSettings
from cognitive_operator.adapters.nats.jetstream import WRONG_LAST_SEQUENCE, JetStream, JetStreamError
from cognitive_operator.adapters.nats.leases import Leases, first_fault
from cognitive_operator.adapters.nats.objects import delete_object, list_objects, put_object, read_object
from cognitive_operator.adapters.nats.provisioner import StreamProvisioner
from cognitive_operator.adapters.nats.responses import ResponsePuller
from cognitive_operator.api import names
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Claim
from cognitive_operator.errors import BrokerUnavailableError, MessageError
from cognitive_operator.ports.broker import Delivery, ObservedLease, RetainedResponse
from cognitive_operator.ports.clock import Clock

_logger = logging.getLogger(__name__)
_CLAIMS = layout.kv_stream(names.CLAIM_BUCKET)
_CLAIM_SUBJECTS = f"$KV.{names.CLAIM_BUCKET}."
_LOOK_S = 1.0
"""How often to look whether the connection is back, beside being told."""


class NatsBroker:
    """Connects in the background, keeps the streams as the wire wants them, and speaks for the operator."""

    def __init__(self, settings: NatsSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._connection = NatsConnection(settings, self._on_connection_change)
        self._js = JetStream(self._connection)
        self._keeper = StreamProvisioner(self._connection, self._js, settings, clock)
        self._puller = ResponsePuller(self._connection, self._keeper.look_again)
        self._leases = Leases(self._js)
        self._purged: set[AttemptKey] = set()
        """Claims of which only the marker is left: a stream's list of subjects cannot tell."""

    async def start(self) -> None:
        """Begin to connect and return at once, whether the broker is there or not."""
        self._connection.start()
        self._keeper.start()

    async def wait_known(self, timeout_s: float) -> None:
        """Wait until it is connected or ``last_error`` says why it is not, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.is_connected and self.last_error is None:
                    await self._wait_for_change(_LOOK_S)

    async def close(self) -> None:
        """End the connection and every task of it."""
        await self._keeper.close()
        await self._connection.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def is_connected(self) -> bool:
        """True while the connection stands and the streams are known to exist."""
        return self._keeper.is_ready

    @property
    def connected_since(self) -> float:
        """Monotonic seconds since which it is connected without a gap; infinity while it is not."""
        return self._keeper.since

    @property
    def last_error(self) -> str | None:
        """What is wrong at the moment: with the connection or with the streams."""
        return self._connection.troubles.last or self._keeper.troubles.last

    @property
    def malformed_leases(self) -> int:
        """How often a lease could not be read, in all."""
        return self._leases.malformed

    async def ensure_agent(self, namespace: str, agent_uid: str) -> None:
        """Make the agent's consumer and object bucket if they are absent or differ."""
        async with self._in_use():
            await layout.ensure_consumer(self._js, layout.request_consumer(namespace, agent_uid))
            await layout.ensure_stream(self._js, layout.results_stream(agent_uid, self._settings))

    async def list_agents(self) -> set[str]:
        """Return the UIDs of all agents that have a consumer or an object bucket."""
        buckets = layout.object_stream(names.results_bucket(""))
        async with self._in_use():
            consumers = {name async for name in self._js.names(f"CONSUMER.NAMES.{names.REQUEST_STREAM}", "consumers")}
            streams = {name async for name in self._js.names("STREAM.NAMES", "streams")}
        return consumers | {name.removeprefix(buckets) for name in streams if name.startswith(buckets)}

    async def delete_agent(self, agent_uid: str) -> None:
        """Delete the agent's consumer, object bucket, requests, claims and leases; absent ones are no error."""
        async with self._in_use():
            await self._js.call_absent_ok(f"CONSUMER.DELETE.{names.REQUEST_STREAM}.{agent_uid}")
            await self._js.purge(names.REQUEST_STREAM, f"agent.request.*.{agent_uid}.>")
            await self._js.purge(_CLAIMS, f"{_CLAIM_SUBJECTS}{agent_uid}.>")
            await self._leases.forget(agent_uid)
            bucket = layout.object_stream(names.results_bucket(agent_uid))
            await self._js.call_absent_ok(f"STREAM.DELETE.{bucket}")

    async def publish_request(self, subject: str, payload: bytes) -> bool:
        """Publish the request of an attempt; False: it exists already, adopt it.

        Raises:
            BrokerUnavailableError: Not known whether the stream holds it: publish again.
            MessageError: The broker takes no message of this size.
        """
        async with self._in_use():
            try:
                await self._js.publish(subject, payload, {"Nats-Expected-Last-Subject-Sequence": "0"})
            except JetStreamError as error:
                if error.err_code not in WRONG_LAST_SEQUENCE:
                    raise
                return False
            return True

    async def list_requests(self, agent_uid: str = "*") -> set[tuple[str, AttemptKey]]:
        """Return namespace and attempt of every request in the stream, of one agent or of all."""
        async with self._in_use():
            subjects = self._js.subjects(names.REQUEST_STREAM, f"agent.request.*.{agent_uid}.>")
            return {parsed async for subject in subjects if (parsed := names.parse_request_subject(subject))}

    async def delete_request(self, subject: str) -> None:
        """Delete a request; an absent one is no error."""
        async with self._in_use():
            stored = await self._js.last(names.REQUEST_STREAM, subject)
            if stored is not None:
                body = {"seq": stored.sequence, "no_erase": True}
                await self._js.call_absent_ok(f"STREAM.MSG.DELETE.{names.REQUEST_STREAM}", body)

    async def get_claim(self, key: AttemptKey) -> Claim | None:
        """Return the claim of an attempt, None if the attempt was never begun or its claim was purged.

        Raises:
            BrokerUnavailableError: Retry.
            MessageError: There is a claim, but it cannot be read.
        """
        async with self._in_use():
            stored = await self._js.last(_CLAIMS, f"{_CLAIM_SUBJECTS}{key}")
        if stored is None or stored.is_marker:
            return None
        try:
            return Claim.model_validate_json(stored.data)
        except ValidationError as error:
            raise MessageError("ClaimInvalid", f"claim {key}: {first_fault(error)}") from error

    async def list_claims(self) -> set[AttemptKey]:
        """Return the keys of all claims."""
        async with self._in_use():
            present = await self._claimed(">")
        self._purged &= present
        return present - self._purged

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts of an agent that have a request and no claim, not even the marker of a deleted one."""
        asked = {key for _, key in await self.list_requests(agent_uid)}
        async with self._in_use():
            return asked - await self._claimed(f"{agent_uid}.>")

    async def delete_claim(self, key: AttemptKey) -> None:
        """Purge a claim. Only for attempts that nobody shall begin, since a marker keeps others from claiming.

        The marker is left where there was no claim, too: an executor may hold the request and not have claimed yet.
        """
        async with self._in_use():
            stored = await self._js.last(_CLAIMS, f"{_CLAIM_SUBJECTS}{key}")
            if stored is None or not stored.is_marker:
                await self._js.publish(f"{_CLAIM_SUBJECTS}{key}", b"", {"KV-Operation": "PURGE"})
        self._purged.add(key)

    async def list_leases(self, agent_uid: str) -> Sequence[ObservedLease]:
        """Return the leases of an agent's workers, those of Job attempts too."""
        async with self._in_use():
            return await self._leases.of_agent(agent_uid)

    async def response_stream(self) -> str:
        """Return what tells the stream of responses from one that was made anew: its creation time."""
        async with self._in_use():
            return str((await self._js.call(f"STREAM.INFO.{names.RESPONSE_STREAM}"))["created"])

    async def read_responses(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        """Return the first messages behind ``after`` whose subject matches, in their order, at most ``limit``."""
        async with self._in_use():
            found = await self._js.read(names.RESPONSE_STREAM, subjects, after + 1, limit)
            return [RetainedResponse(s.subject, s.headers, s.data, s.sequence, s.stored_at) for s in found]

    async def publish_closed(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Note how the operator ended an attempt, once; return the note's place in the stream."""
        async with self._in_use():
            try:
                return await self._js.publish(subject, payload, {**headers, "Nats-Expected-Last-Subject-Sequence": "0"})
            except JetStreamError as error:
                if error.err_code not in WRONG_LAST_SEQUENCE:
                    raise
                stored = await self._js.last(names.RESPONSE_STREAM, subject)
                if stored is None:
                    raise
                return stored.sequence

    async def fetch_responses(self, batch: int, timeout_s: float) -> Sequence[Delivery]:
        """Wait for up to ``batch`` deliveries; an empty sequence after ``timeout_s``.

        Raises:
            BrokerUnavailableError: There was no connection at the end of ``timeout_s``.
        """
        deadline = self._clock.monotonic() + timeout_s
        while True:
            taken = self._puller.take(batch)
            remaining_s = deadline - self._clock.monotonic()
            if taken or (remaining_s <= 0 and self.is_connected):
                return taken
            if remaining_s <= 0:
                raise self._unavailable()
            await self._wait_for_response(batch, remaining_s)

    async def send_control(self, namespace: str, agent_uid: str, payload: bytes) -> None:
        """Send a control message to an agent's executors; nobody may be listening."""
        async with self._in_use():
            await self._connection.publish(names.control_subject(namespace, agent_uid), payload)

    async def put_object(self, agent_uid: str, name: str, content: bytes) -> None:
        """Store an object in an agent's bucket, in place of one of the same name."""
        async with self._in_use():
            await put_object(self._js, names.results_bucket(agent_uid), name, content)

    async def read_object(self, bucket: str, name: str) -> bytes:
        """Return an object's content.

        Raises:
            ObjectNotFoundError: There is no such bucket or object, or not all of it.
        """
        async with self._in_use():
            return await read_object(self._js, bucket, name)

    async def delete_object(self, agent_uid: str, name: str) -> None:
        """Delete an object of an agent's bucket; an absent one is no error."""
        async with self._in_use():
            await delete_object(self._js, names.results_bucket(agent_uid), name)

    async def list_objects(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts that have something in their agent's object bucket."""
        async with self._in_use():
            found = await list_objects(self._js, names.results_bucket(agent_uid))
        parsed = (names.parse_object(agent_uid, name) for name in found)
        return {key for key in parsed if key is not None}

    async def _claimed(self, keys: str) -> set[AttemptKey]:
        subjects = self._js.subjects(_CLAIMS, f"{_CLAIM_SUBJECTS}{keys}")
        parsed = [names.parse_attempt(subject.removeprefix(_CLAIM_SUBJECTS)) async for subject in subjects]
        return {key for key in parsed if key is not None}

    async def _wait_for_response(self, batch: int, timeout_s: float) -> None:
        """Wait on the pull while there is a connection, else for the connection."""
        try:
            if self.is_connected:
                await self._puller.wait(batch, timeout_s)
                return
        except BrokerUnavailableError:
            _logger.debug("the connection broke while responses were waited for")
        await self._wait_for_change(min(timeout_s, _LOOK_S))

    async def _wait_for_change(self, timeout_s: float) -> None:
        self._keeper.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._keeper.changed.wait()

    @contextlib.asynccontextmanager
    async def _in_use(self) -> AsyncIterator[None]:
        """Refuse at once while not ready; when the broker fails to serve, have its streams looked at."""
        if not self.is_connected:
            raise self._unavailable()
        try:
            yield
        except BrokerUnavailableError:
            self._keeper.look_again()
            raise

    def _unavailable(self) -> BrokerUnavailableError:
        return BrokerUnavailableError(self.last_error or f"not connected to {self._settings.shown} yet")

    def _on_connection_change(self) -> None:
        self._keeper.connection_changed()
        self._puller.wake()
