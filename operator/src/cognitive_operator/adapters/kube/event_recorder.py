"""Queue of Kubernetes Events before the API, so that no reconciliation waits for them."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Final, Protocol, Self

from cognitive_operator.adapters.asyncio_tasks import end
from cognitive_operator.adapters.ongoing_errors import OngoingErrors
from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.ports.kube import KubeEvent, ObjectRef

QUEUE: Final = 1000
DRAIN_S: Final = 2.0
PAUSE_S: Final = 0.02
"""Pause after each Event, since the other writes to the API have precedence."""
_logger = logging.getLogger(__name__)


class EventWriter(Protocol):
    """Creates Kubernetes Events."""

    async def create(self, about: ObjectRef, event: KubeEvent) -> None:
        """Create a Kubernetes Event about an object."""


class EventRecorder:
    """Queue of Events with one worker (port ``EventSink``); when it is full, the oldest are dropped."""

    def __init__(
        self, writer: EventWriter, on_drop: Callable[[], None], size: int = QUEUE, drain_s: float = DRAIN_S
    ) -> None:
        """Take the writer; ``on_drop`` is called for every dropped Event: the queue was full, or the API refused it."""
        self._writer = writer
        self._on_drop = on_drop
        self._size = size
        self._drain_s = drain_s
        self._queue: deque[tuple[ObjectRef, KubeEvent]] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._errors = OngoingErrors(_logger)

    def emit(self, about: ObjectRef, event: KubeEvent) -> None:
        """Queue an Event; when the queue is full, the oldest is dropped and counted."""
        if len(self._queue) >= self._size:
            self._queue.popleft()
            self._on_drop()
        self._queue.append((about, event))
        self._idle.clear()
        self._arrived.set()

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work(), name="kubernetes-events")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the queued Events, for at most ``drain_s``."""
        if self._worker is None:
            return
        self._arrived.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_s):
                await self._idle.wait()
        await end(self._worker)

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                await self._write(*self._queue.popleft())
                await asyncio.sleep(PAUSE_S)
            self._idle.set()

    async def _write(self, about: ObjectRef, event: KubeEvent) -> None:
        try:
            await self._writer.create(about, event)
        except CognitiveOperatorError as error:
            self._on_drop()
            self._errors.record("events", str(error))
        else:
            self._errors.clear("events")
