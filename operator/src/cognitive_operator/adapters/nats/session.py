"""Access to JetStream while the connection stands and the streams exist."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.provisioner import StreamProvisioner
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.clock import Clock

_POLL_S = 1.0
"""Interval at which readiness is read while no change of it is signalled."""


class NatsSession:
    """Connects in the background, ensures the shared streams, and gives access to JetStream while both are ready."""

    def __init__(self, settings: NatsSettings, clock: Clock) -> None:
        self.settings = settings
        self.connection = NatsConnection(settings, self._on_connection_change)
        self._js = JetStream(self.connection)
        self._provisioner = StreamProvisioner(self.connection, self._js, settings, clock)
        self._listeners: list[Callable[[], None]] = []

    def start(self) -> None:
        """Begin to connect and return at once."""
        self.connection.start()
        self._provisioner.start()

    async def close(self) -> None:
        """Close the connection and end its tasks."""
        await self._provisioner.close()
        await self.connection.close()

    @property
    def is_ready(self) -> bool:
        """True while the connection stands and the streams are known to exist."""
        return self._provisioner.is_ready

    @property
    def ready_since_s(self) -> float:
        """Monotonic seconds since which it is ready without a gap; infinity while it is not."""
        return self._provisioner.ready_since_s

    @property
    def last_error(self) -> str | None:
        """The newest error of the connection, else of the streams, that is not over."""
        return self.connection.errors.latest or self._provisioner.errors.latest

    @property
    def unavailable(self) -> BrokerUnavailableError:
        """The error that a call raises while the session is not ready."""
        return BrokerUnavailableError(self.last_error or f"not connected to {self.settings.redacted_url} yet")

    def on_connection_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a connection was established or lost."""
        self._listeners.append(listener)

    def check_streams(self) -> None:
        """Check the streams soon, since one may be absent."""
        self._provisioner.request_check()

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[JetStream]:
        """Yield JetStream's API; a call of it that fails leads to a check of the streams.

        Raises:
            BrokerUnavailableError: At once while the session is not ready; retry.
        """
        if not self.is_ready:
            raise self.unavailable
        try:
            yield self._js
        except BrokerUnavailableError:
            self.check_streams()
            raise

    async def wait_determined(self, timeout_s: float) -> None:
        """Wait, at most ``timeout_s``, until the session is ready or ``last_error`` is set."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.is_ready and self.last_error is None:
                    await self.wait_for_change(_POLL_S)

    async def wait_for_change(self, timeout_s: float) -> None:
        """Wait until readiness may have changed, at most ``timeout_s`` and at most a second."""
        self._provisioner.changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(timeout_s, _POLL_S)):
                await self._provisioner.changed.wait()

    def _on_connection_change(self) -> None:
        self._provisioner.on_connection_change()
        for listener in self._listeners:
            listener()
