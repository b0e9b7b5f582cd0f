"""JetStream as the operator's broker (port ``Broker``)."""

from types import TracebackType
from typing import Self

from cognitive_operator.adapters.nats.agents import NatsAgentResources
from cognitive_operator.adapters.nats.claims import NatsClaims
from cognitive_operator.adapters.nats.control import NatsControl
from cognitive_operator.adapters.nats.leases import NatsLeases
from cognitive_operator.adapters.nats.objects import NatsObjects
from cognitive_operator.adapters.nats.requests import NatsRequests
from cognitive_operator.adapters.nats.responses import NatsResponses
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.ports.clock import Clock


class NatsBroker:
    """The ports to JetStream over one session."""

    def __init__(self, settings: NatsSettings, clock: Clock) -> None:
        self.connection = NatsSession(settings, clock)
        self.requests = NatsRequests(self.connection)
        self.claims = NatsClaims(self.connection)
        self.leases = NatsLeases(self.connection)
        self.responses = NatsResponses(self.connection, clock)
        self.control = NatsControl(self.connection)
        self.objects = NatsObjects(self.connection)
        self.agents = NatsAgentResources(self.connection, self.leases)

    async def __aenter__(self) -> Self:
        """Begin to connect and return at once."""
        self.connection.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()
