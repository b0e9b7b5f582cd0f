"""Background task that ensures the shared streams on every connection and reports their readiness."""

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass
from typing import Final

from cognitive_operator.adapters.asyncio_tasks import end
from cognitive_operator.adapters.nats.connection import NatsConnection
from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.nats.provisioning import check_owner, ensure_consumer, ensure_stream
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.nats.stream_specs import response_consumer, shared_streams
from cognitive_operator.adapters.ongoing_errors import OngoingErrors, describe
from cognitive_operator.ports.clock import Clock

_RETRY_S: Final = 1.0
_GATHER_S: Final = 0.1
"""Pause before a requested check: several calls that fail at the same time need only one."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Ready:
    connection: int
    since_s: float


class StreamProvisioner:
    """Ensures the streams on every connection, after every failed call, and at ``check_interval_s``."""

    def __init__(self, connection: NatsConnection, js: JetStream, settings: NatsSettings, clock: Clock) -> None:
        self._connection = connection
        self._js = js
        self._settings = settings
        self._clock = clock
        self._ready: _Ready | None = None
        self._task: asyncio.Task[None] | None = None
        self._check_requested = asyncio.Event()
        self.changed = asyncio.Event()
        """Set when readiness may have changed; a waiter clears it first."""
        self.errors = OngoingErrors(_logger)

    def start(self) -> None:
        """Start the background task and return at once."""
        self._task = asyncio.create_task(self._run(), name="nats-streams")

    async def close(self) -> None:
        """End the background task."""
        await end(self._task)

    @property
    def is_ready(self) -> bool:
        """True while the connection stands on which the streams were last found or created."""
        return self._ready is not None and self._connection.is_up and self._ready.connection == self._connection.number

    @property
    def ready_since_s(self) -> float:
        """Monotonic seconds since which it is ready without a gap; infinity while it is not."""
        return self._ready.since_s if self._ready is not None and self.is_ready else math.inf

    def request_check(self) -> None:
        """Check the streams soon, since one may be absent or changed."""
        self._check_requested.set()

    def on_connection_change(self) -> None:
        """Handle that a connection was established or lost."""
        self._ready = None
        self._check_requested.set()
        self.changed.set()

    async def _run(self) -> None:
        while True:
            self._check_requested.clear()
            wait_s = await self._check() if self._connection.is_up else self._settings.check_interval_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._check_requested.wait()
            if self.is_ready:
                await asyncio.sleep(_GATHER_S)

    async def _check(self) -> float:
        """Ensure the streams; return the seconds until the next check."""
        connection = self._connection.number
        try:
            any_created = await self._ensure()
        except Exception as error:  # no answer of the broker ends the background task
            self._ready = None
            self.errors.record("streams", describe(error))
            return _RETRY_S
        self.errors.clear("streams")
        if any_created or self._ready is None or self._ready.connection != connection:
            self._ready = _Ready(connection, self._clock.monotonic())
        self.changed.set()
        return self._settings.check_interval_s

    async def _ensure(self) -> bool:
        """Ensure what all agents share; True if a stream was created, so that its former content is lost."""
        specs = shared_streams(self._settings)
        await check_owner(self._js, specs, self._settings)
        created = [await ensure_stream(self._js, spec) for spec in specs]
        await ensure_consumer(self._js, response_consumer())
        return any(created)
