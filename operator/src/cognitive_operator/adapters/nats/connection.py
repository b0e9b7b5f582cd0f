"""One connection to the broker, established in the background and again after every loss."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from cognitive_operator.adapters.asyncio_tasks import end
from cognitive_operator.adapters.nats.request_reply import RequestReply
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.ongoing_errors import OngoingErrors, describe
from cognitive_operator.api.names import MANAGER
from cognitive_operator.errors import BrokerUnavailableError, MessageError

INBOX_PREFIX: Final = f"_INBOX.{MANAGER}"
_POLL_S: Final = 1.0
"""Interval at which the client's state is read, since a stuck socket delays its notification of a loss."""
_logger = logging.getLogger(__name__)


class NatsConnection:
    """Establishes connections one after another.

    Every connection is a client of its own: the subscriptions and unsent bytes of a lost one end with it. A call
    reaches the broker within its deadline or fails, and is never sent minutes later.
    """

    def __init__(self, settings: NatsSettings, on_change: Callable[[], None]) -> None:
        self._settings = settings
        self._on_change = on_change
        self._client: Client | None = None
        self._requests: RequestReply | None = None
        self._task: asyncio.Task[None] | None = None
        self.errors = OngoingErrors(_logger)
        self.number = 0
        """Number of connections made, which identifies the present one."""

    def start(self) -> None:
        """Begin to connect and return at once."""
        self._task = asyncio.create_task(self._run(), name="nats-connection")

    async def close(self) -> None:
        """Close the connection and end its tasks."""
        await end(self._task)

    @property
    def is_up(self) -> bool:
        """True while the connection stands."""
        return self._client is not None and self._client.is_connected

    async def request(self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None) -> Msg:
        """Return the reply to a request.

        Raises:
            BrokerUnavailableError: No connection, no responder on the subject, or no reply in time; retry.
            MessageError: The message is larger than the broker's limit; do not retry.
        """
        client = self._connected()
        with self._translated(subject, len(payload), client):
            assert self._requests is not None
            return await self._requests.request(subject, payload, headers)

    async def request_many(self, subject: str, payload: bytes, is_last: Callable[[Msg], bool]) -> list[Msg]:
        """Return all replies to a request, the last one included. Raises as ``request`` does."""
        client, replies, ended = self._connected(), list[Msg](), asyncio.Event()

        async def on_reply(message: Msg) -> None:
            replies.append(message)
            if is_last(message):
                ended.set()

        with self._translated(subject, len(payload), client):
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox, cb=on_reply)
            try:
                await client.publish(subject, payload, reply=inbox)
                async with asyncio.timeout(self._settings.timeout_s):
                    await ended.wait()
            finally:
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()
        return replies

    async def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Send a message without waiting for a confirmation. Raises as ``request`` does."""
        client = self._connected()
        with self._translated(subject, len(payload), client):
            await client.publish(subject, payload, reply=reply)

    async def subscribe(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> Subscription:
        """Listen on a subject until this connection ends. Raises as ``request`` does."""
        client = self._connected()
        with self._translated(subject, 0, client):
            return await client.subscribe(subject, cb=callback)

    def new_inbox(self) -> str:
        """Return a subject that no other subscription uses. Raises as ``request`` does."""
        return self._connected().new_inbox()

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise BrokerUnavailableError(self.errors.latest or f"not connected to {self._settings.redacted_url} yet")
        return self._client

    @contextlib.contextmanager
    def _translated(self, subject: str, size: int, client: Client) -> Iterator[None]:
        try:
            yield
        except nats.errors.MaxPayloadError as error:
            limit = f"the broker's limit is {client.max_payload}"
            raise MessageError("MessageTooLarge", f"{subject}: {size} bytes, {limit}") from error
        except (nats.errors.Error, OSError) as error:
            raise BrokerUnavailableError(f"{subject}: {describe(error)}") from error

    async def _run(self) -> None:
        while True:
            try:
                await self._run_once()
            except Exception as error:  # no error of the client library ends the attempts to connect
                self._record(error)
            await asyncio.sleep(self._settings.retry_s)

    async def _run_once(self) -> None:
        """Connect, and return when the connection is lost."""
        client, lost = Client(), asyncio.Event()
        try:
            await self._connect(client, lost)
            await self._serve(client, lost)
        finally:
            await client.close()

    async def _serve(self, client: Client, lost: asyncio.Event) -> None:
        """Make the connection available until it is lost."""
        requests = RequestReply(client, self._settings.timeout_s)
        await requests.start()
        self._client, self._requests, self.number = client, requests, self.number + 1
        self.errors.clear("connection")
        self._on_change()
        try:
            await _wait_lost(client, lost)
        finally:
            self._client = self._requests = None
            requests.fail_all(f"the connection to {self._settings.redacted_url} was lost")
            self._on_change()

    async def _connect(self, client: Client, lost: asyncio.Event) -> None:
        async def on_error(error: Exception) -> None:
            self._record(error)

        async def on_lost() -> None:
            lost.set()

        await client.connect(
            self._settings.servers,
            name=MANAGER,
            error_cb=on_error,
            disconnected_cb=on_lost,
            allow_reconnect=False,
            max_reconnect_attempts=-1,
            reconnect_time_wait=self._settings.retry_s,
            connect_timeout=self._settings.timeout_s,
            flush_timeout=self._settings.timeout_s,
            ping_interval=5,
            max_outstanding_pings=2,
            inbox_prefix=INBOX_PREFIX,
            user_credentials=self._settings.creds_file,
        )

    def _record(self, error: Exception) -> None:
        self.errors.record("connection", f"{self._settings.redacted_url}: {describe(error)}")


async def _wait_lost(client: Client, lost: asyncio.Event) -> None:
    """Return when the connection ends."""
    while client.is_connected:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await lost.wait()
                return
