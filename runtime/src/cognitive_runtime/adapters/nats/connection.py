"""Connection to the broker that reconnects until it is closed."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.client import JetStreamContext

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.nats.errors import BrokerUnavailable
from cognitive_runtime.adapters.nats.outage import broker_problem, credentials_file
from cognitive_runtime.adapters.worker.ports import BrokerProblem

_LOGGER: Final = logging.getLogger(__name__)
_CONNECT_TIMEOUT_S: Final = 2
_OPEN_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 2.0
_RETRY_S: Final = 0.25
_LIBRARY_RETRY_S: Final = 1
_PING_INTERVAL_S: Final = 4
"""The second unanswered ping closes the connection: a broken network is detected before the lease is lost (10 s)."""
_ERROR_LOG_INTERVAL_S: Final = 30.0

Callback = Callable[[Msg], Awaitable[None]]


@dataclass(frozen=True)
class BrokerSettings:
    """Address of the broker, and the client's name and credentials."""

    url: str
    """URL of the broker, or several URLs separated by commas."""
    agent_uid: str
    name: str
    """Client name in the broker's list of connections."""
    credentials: Sequence[Path] = ()
    """Paths of the credentials file. For every connection, the first file with content is read; without one, the client
    connects anonymously."""
    wait_s: float = float("inf")
    """Time for the first connection, after which ``given_up`` has the problem; infinity: never."""

    @property
    def servers(self) -> list[str]:
        """The URLs as a list."""
        return [url.strip() for url in self.url.split(",") if url.strip()]

    @property
    def inbox_prefix(self) -> str:
        """Prefix of the agent's own reply subjects."""
        return f"_INBOX.{self.agent_uid}"


class BrokerConnection:
    """Connects to the broker and reconnects after every outage until ``close``.

    Every connection uses a new client with the current credentials. The library's own reconnection is not used: it
    stops for good after one refusal, and it sends buffered messages long after their sender has given up.
    """

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._listeners: dict[str, Callback] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._reconnect_callbacks: list[Callable[[], None]] = []
        self._connected = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._error_logged_at = float("-inf")
        self._started_at = float("inf")
        self._was_connected = False
        self._has_given_up = asyncio.Event()
        self._problem: BrokerProblem | None = None

    @property
    def is_connected(self) -> bool:
        """True if there is a connection at the moment."""
        return self._client is not None and self._client.is_connected

    @property
    def given_up(self) -> BrokerProblem | None:
        """The problem if no connection has been made since the start, for longer than the settings allow."""
        is_late = _now() - self._started_at >= self._settings.wait_s
        return self._problem if is_late and not self._was_connected else None

    def start(self) -> None:
        """Start to connect in the background. Idempotent."""
        if self._supervisor is None:
            self._started_at = _now()
            self._supervisor = asyncio.create_task(self._supervise(), name="broker-connection")

    async def wait_connected(self) -> None:
        """Wait for a connection."""
        self.start()
        while not self.is_connected:
            self._connected.clear()
            await self._connected.wait()

    async def wait_given_up(self) -> BrokerProblem:
        """Wait until ``given_up`` has a problem, which never happens after a connection."""
        self.start()
        while (problem := self.given_up) is None:
            self._has_given_up.clear()
            await self._has_given_up.wait()
        return problem

    async def listen(self, subject: str, callback: Callback) -> None:
        """Subscribe a callback to a subject, on this connection and all later ones."""
        self._listeners[subject] = callback
        if self._client is not None:
            with contextlib.suppress(nats.errors.Error):
                self._subscriptions[subject] = await self._client.subscribe(subject, cb=callback)

    async def unlisten(self, subject: str) -> None:
        """Unsubscribe from a subject."""
        self._listeners.pop(subject, None)
        subscription = self._subscriptions.pop(subject, None)
        if subscription is not None:
            with contextlib.suppress(nats.errors.Error):
                await subscription.unsubscribe()

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Register a callback for new connections: requests of an earlier connection are never answered."""
        self._reconnect_callbacks.append(callback)

    def client(self) -> Client:
        """Return the connected client.

        Raises:
            BrokerUnavailable: There is no connection.
        """
        if self._client is None or not self._client.is_connected:
            raise BrokerUnavailable("no connection to the broker")
        return self._client

    def jetstream(self) -> JetStreamContext:
        """Return the JetStream context of the connected client.

        Raises:
            BrokerUnavailable: There is no connection.
        """
        return self.client().jetstream()

    async def send(self, subject: str, payload: bytes, reply: str = "") -> None:
        """Publish a message without an acknowledgement.

        Raises:
            BrokerUnavailable: There is no connection.
        """
        try:
            await self.client().publish(subject, payload, reply=reply)
        except nats.errors.Error as error:
            raise BrokerUnavailable(f"cannot send: {error!r}") from error

    async def close(self) -> None:
        """Disconnect for good. Idempotent."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            await cancel(supervisor)

    async def _supervise(self) -> None:
        while True:
            closed = asyncio.Event()
            client = Client()
            try:
                await self._use(client, closed)
            except Exception as error:  # the library raises errors of many classes; all of them are retried
                if self._problem is None or not isinstance(error, TimeoutError):  # else the callback knows the cause
                    self._report(error)
            finally:
                self._client = None
                await _close(client)
            await asyncio.sleep(_RETRY_S)

    async def _use(self, client: Client, closed: asyncio.Event) -> None:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            await self._connect(client, closed)
            self._subscriptions = {
                subject: await client.subscribe(subject, cb=callback) for subject, callback in self._listeners.items()
            }
        self._client, self._was_connected, self._problem = client, True, None
        _LOGGER.info("connected to the broker", extra={"event": "BrokerConnected"})
        self._connected.set()
        for notify in self._reconnect_callbacks:
            notify()
        await _until_lost(client, closed)
        _LOGGER.warning("disconnected from the broker", extra={"event": "BrokerDisconnected"})

    async def _connect(self, client: Client, closed: asyncio.Event) -> None:
        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            if self._client is None:
                self._report(error)
            _LOGGER.debug("broker error", extra={"event": "BrokerError", "error": repr(error)})

        credentials = credentials_file(self._settings.credentials)
        await client.connect(
            self._settings.servers,
            name=self._settings.name,
            inbox_prefix=self._settings.inbox_prefix,
            user_credentials=str(credentials) if credentials is not None else None,
            connect_timeout=_CONNECT_TIMEOUT_S,
            allow_reconnect=False,
            max_reconnect_attempts=-1,
            reconnect_time_wait=_LIBRARY_RETRY_S,
            ping_interval=_PING_INTERVAL_S,
            max_outstanding_pings=1,
            closed_cb=on_closed,
            error_cb=on_error,
        )

    def _report(self, error: Exception) -> None:
        """Record the problem, and log it at once if it is of a new kind, otherwise at an interval."""
        before, settings = self._problem, self._settings
        self._problem = problem = broker_problem(settings.servers, settings.credentials, error)
        is_new = before is None or before.event != problem.event
        if is_new or _now() - self._error_logged_at >= _ERROR_LOG_INTERVAL_S:
            self._error_logged_at = _now()
            _LOGGER.warning(problem.message, extra={"event": problem.event})
        if self.given_up is not None:
            self._has_given_up.set()


async def _until_lost(client: Client, closed: asyncio.Event) -> None:
    while client.is_connected:  # polled every second: a stuck socket delays the callback
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await closed.wait()
                return


async def _close(client: Client) -> None:
    if client.is_connected:
        await _within_limit(client.flush())
    await _within_limit(client.close())


async def _within_limit(work: Awaitable[None]) -> None:
    with contextlib.suppress(nats.errors.Error, OSError):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):  # a peer that does not read blocks the last bytes
            await work


def _now() -> float:
    return asyncio.get_running_loop().time()
