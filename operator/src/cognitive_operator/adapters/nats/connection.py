"""One connection to the broker, made in the background and made anew for ever."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from cognitive_operator.adapters.cancellation import end
from cognitive_operator.adapters.nats.request_reply import RequestReply
from cognitive_operator.adapters.ongoing_errors import OngoingErrors, describe
from cognitive_operator.api.names import MANAGER
from cognitive_operator.errors import BrokerUnavailableError, MessageError

INBOX_PREFIX = f"_INBOX.{MANAGER}"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class NatsSettings:
    """Where the broker is and how patient we are with it."""

    url: str
    """One URL, or several separated by commas."""
    creds_file: str | None = None
    timeout_s: int = 5
    """Deadline of every single call."""
    retry_s: int = 1
    """Pause between two attempts to connect."""
    check_interval_s: float = 30.0
    """How often the streams are looked at when nothing points to a change."""
    response_max_age_s: int = 7 * 24 * 3600
    """How long responses are kept: the longest outage survived."""
    replicas: int = 1
    """Copies of each stream, at creation; an administrator may change it later."""

    @property
    def servers(self) -> list[str]:
        """The URLs, one by one."""
        return [url.strip() for url in self.url.split(",") if url.strip()]

    @property
    def shown(self) -> str:
        """The URLs without user name, password or token: for messages."""
        return ",".join(f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}" for url in self.servers)


class NatsConnection:
    """Keeps one connection alive.

    Every connection is a client of its own: what an old one still holds (subscriptions, unsent bytes) ends with it, and
    a call either reaches the broker within its deadline or fails, but is never sent minutes later.
    """

    def __init__(self, settings: NatsSettings, on_change: Callable[[], None]) -> None:
        self._settings = settings
        self._on_change = on_change
        self._client: Client | None = None
        self._requests: RequestReply | None = None
        self._task: asyncio.Task[None] | None = None
        self.troubles = OngoingErrors(_logger)
        self.number = 0
        """Counts the connections made, so that others notice a new one."""

    def start(self) -> None:
        """Begin to connect and return at once."""
        self._task = asyncio.create_task(self._run(), name="nats-connection")

    async def close(self) -> None:
        """End the connection and every task of it."""
        await end(self._task)

    @property
    def is_up(self) -> bool:
        """True while the connection stands."""
        return self._client is not None and self._client.is_connected

    async def request(self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None) -> Msg:
        """Return the answer to a request.

        Raises:
            BrokerUnavailableError: No connection, nobody serves the subject, or no answer in time; retry.
            MessageError: The broker takes no message of this size; do not retry.
        """
        client = self._connected()
        with self._translated(subject, len(payload), client):
            assert self._requests is not None
            return await self._requests.ask(subject, payload, headers)

    async def request_many(self, subject: str, payload: bytes, is_last: Callable[[Msg], bool]) -> list[Msg]:
        """Return all answers to a request, the last one too. Raises as ``request`` does."""
        client, found, ended = self._connected(), list[Msg](), asyncio.Event()

        async def take(message: Msg) -> None:
            found.append(message)
            if is_last(message):
                ended.set()

        with self._translated(subject, len(payload), client):
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox, cb=take)
            try:
                await client.publish(subject, payload, reply=inbox)
                async with asyncio.timeout(self._settings.timeout_s):
                    await ended.wait()
            finally:
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()
        return found

    async def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Send a message that nobody confirms. Raises as ``request`` does."""
        client = self._connected()
        with self._translated(subject, len(payload), client):
            await client.publish(subject, payload, reply=reply)

    async def subscribe(self, subject: str, callback: Callable[[Msg], Awaitable[None]]) -> None:
        """Listen on a subject until this connection ends. Raises as ``request`` does."""
        client = self._connected()
        with self._translated(subject, 0, client):
            await client.subscribe(subject, cb=callback)

    def new_inbox(self) -> str:
        """Return a subject that nobody else answers to. Raises as ``request`` does."""
        return self._connected().new_inbox()

    def _connected(self) -> Client:
        if self._client is None or not self._client.is_connected:
            raise BrokerUnavailableError(self.troubles.last or f"not connected to {self._settings.shown} yet")
        return self._client

    @contextlib.contextmanager
    def _translated(self, subject: str, size: int, client: Client) -> Iterator[None]:
        try:
            yield
        except nats.errors.MaxPayloadError as error:
            bound = client.max_payload
            raise MessageError("MessageTooLarge", f"{subject}: {size} bytes, the broker takes {bound}") from error
        except (nats.errors.Error, OSError) as error:
            raise BrokerUnavailableError(f"{subject}: {describe(error)}") from error

    async def _run(self) -> None:
        while True:
            try:
                await self._live_once()
            except Exception as error:  # whatever the client library meets, connecting goes on
                self._report(error)
            await asyncio.sleep(self._settings.retry_s)

    async def _live_once(self) -> None:
        client, lost = Client(), asyncio.Event()
        try:
            await self._connect(client, lost)
            await self._serve(client, lost)
        finally:
            await client.close()

    async def _serve(self, client: Client, lost: asyncio.Event) -> None:
        """Let others use the connection until it is lost."""
        requests = RequestReply(client, self._settings.timeout_s)
        await requests.start()
        self._client, self._requests, self.number = client, requests, self.number + 1
        self.troubles.clear("connection")
        self._on_change()
        try:
            await _until_lost(client, lost)
        finally:
            self._client = self._requests = None
            requests.end(f"the connection to {self._settings.shown} was lost")
            self._on_change()

    async def _connect(self, client: Client, lost: asyncio.Event) -> None:
        async def on_error(error: Exception) -> None:
            self._report(error)

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

    def _report(self, error: Exception) -> None:
        self.troubles.report("connection", f"{self._settings.shown}: {describe(error)}")


async def _until_lost(client: Client, lost: asyncio.Event) -> None:
    """Return when the connection ends; looks each second, since a stuck socket delays the client's own word."""
    while client.is_connected:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await lost.wait()
                return
