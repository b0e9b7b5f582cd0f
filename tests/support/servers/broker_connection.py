"""Waiting for the connection of the operator's broker."""

from cognitive_operator.adapters.nats.broker import NatsBroker
from support.eventually import eventually_async


async def connected(broker: NatsBroker, expected: bool = True) -> None:
    """Wait until the broker is ready, or is not."""

    async def holds() -> bool:
        return broker.connection.is_ready is expected

    await eventually_async(holds, interval_s=0.01)


async def connected_again(broker: NatsBroker, since_s: float) -> None:
    """Wait for a later connection: the loss of an earlier one may last for less than an interval of the questions."""

    async def holds() -> bool:
        return broker.connection.is_ready and broker.connection.ready_since_s > since_s

    await eventually_async(holds, interval_s=0.01)
