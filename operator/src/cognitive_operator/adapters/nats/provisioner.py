"""Keeps the shared streams as the wire wants them, on every connection, and knows whether the broker is of use."""

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass

from cognitive_operator.adapters.cancellation import end
from cognitive_operator.adapters.nats import layout
from cognitive_operator.adapters.nats.connection import NatsConnection, NatsSettings
from cognitive_operator.adapters.nats.jetstream import JetStream
from cognitive_operator.adapters.ongoing_errors import OngoingErrors, describe
from cognitive_operator.ports.clock import Clock

_RETRY_S = 1.0
_GATHER_S = 0.1
"""Several failing calls at once have one cause: one look is enough for them."""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Ready:
    connection: int
    since: float


class StreamProvisioner:
    """Looks at the streams on every connection, after every failed call and every now and then."""

    def __init__(self, connection: NatsConnection, js: JetStream, settings: NatsSettings, clock: Clock) -> None:
        self._connection = connection
        self._js = js
        self._settings = settings
        self._clock = clock
        self._ready: _Ready | None = None
        self._task: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self.changed = asyncio.Event()
        """Set when readiness may have changed; whoever waits clears it first."""
        self.troubles = OngoingErrors(_logger)

    def start(self) -> None:
        """Begin to keep and return at once."""
        self._task = asyncio.create_task(self._keep(), name="nats-layout")

    async def close(self) -> None:
        """End the task."""
        await end(self._task)

    @property
    def is_ready(self) -> bool:
        """True while the connection stands on which the streams were last found or made."""
        return self._ready is not None and self._connection.is_up and self._ready.connection == self._connection.number

    @property
    def since(self) -> float:
        """Monotonic seconds since which it is ready without a gap; infinity while it is not."""
        return self._ready.since if self._ready is not None and self.is_ready else math.inf

    def look_again(self) -> None:
        """Say that the streams may not be as they should."""
        self._look.set()

    def connection_changed(self) -> None:
        """Say that a connection was made or lost."""
        self._ready = None
        self._look.set()
        self.changed.set()

    async def _keep(self) -> None:
        while True:
            self._look.clear()
            wait_s = await self._check() if self._connection.is_up else self._settings.check_interval_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._look.wait()
            if self.is_ready:
                await asyncio.sleep(_GATHER_S)

    async def _check(self) -> float:
        """Bring the streams about; return in how many seconds to look again."""
        connection = self._connection.number
        try:
            made = await self._ensure()
        except Exception as error:  # whatever the broker answers, keeping goes on
            self._ready = None
            self.troubles.report("streams", describe(error))
            return _RETRY_S
        self.troubles.clear("streams")
        if made or self._ready is None or self._ready.connection != connection:
            self._ready = _Ready(connection, self._clock.monotonic())
        self.changed.set()
        return self._settings.check_interval_s

    async def _ensure(self) -> bool:
        """Ensure what all agents share; True if a stream had to be made, so that what it held is gone."""
        made = [await layout.ensure_stream(self._js, spec) for spec in layout.shared_streams(self._settings)]
        await layout.ensure_consumer(self._js, layout.response_consumer())
        return any(made)
