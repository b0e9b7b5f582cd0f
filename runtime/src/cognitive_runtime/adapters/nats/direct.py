"""Direct read of one request by its subject, for Job mode."""

import asyncio
from dataclasses import dataclass
from typing import Final

from cognitive_runtime.adapters.nats.connection import BrokerConnection
from cognitive_runtime.adapters.nats.errors import PermanentBrokerError, TransientBrokerError
from cognitive_runtime.adapters.nats.jetstream import last_message
from cognitive_runtime.adapters.nats.subjects import REQUEST_STREAM, RequestSubject

_RETRY_S: Final = 0.25
_ABSENT_AFTER_S: Final = 3.0
"""A request counts as absent only after this time, because a replica of the stream may lag behind."""


@dataclass(frozen=True)
class DirectDelivery:
    """A request that was read directly and needs no acknowledgement. Implements ``IDelivery``."""

    attempt_id: str
    data: bytes

    async def ack(self) -> None:
        """Do nothing."""

    async def reject(self) -> None:
        """Do nothing."""

    async def terminate(self) -> None:
        """Do nothing."""


class EmptyRequestSource:
    """An ``IRequestSource`` without requests, for a worker that runs one attempt."""

    problem: str | None = None

    async def start(self) -> None:
        """Do nothing."""

    async def next(self, slots: int) -> None:
        """Return None."""

    def wake(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


async def read_request(broker: BrokerConnection, subject: RequestSubject) -> DirectDelivery | None:
    """Return the request on a subject, or None if it does not exist. Waits for the broker."""
    loop = asyncio.get_running_loop()
    answered_at: float | None = None
    while answered_at is None or loop.time() - answered_at < _ABSENT_AFTER_S:
        await broker.wait_connected()
        try:
            data = await last_message(broker, REQUEST_STREAM, str(subject))
        except (TransientBrokerError, PermanentBrokerError):
            await asyncio.sleep(_RETRY_S)
            continue
        if data is not None:
            return DirectDelivery(subject.attempt_id, data)
        answered_at = answered_at or loop.time()
        await asyncio.sleep(_RETRY_S)
    return None
