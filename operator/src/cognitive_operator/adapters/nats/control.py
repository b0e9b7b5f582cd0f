"""Control messages to executors (port ``Control``)."""

from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.api.names import control_subject


class NatsControl:
    """Sends control messages, which are not stored."""

    def __init__(self, session: NatsSession) -> None:
        self._session = session

    async def send(self, namespace: str, agent_uid: str, payload: bytes) -> None:
        """Send a control message to the executors of an agent that listen now, if there are any."""
        async with self._session.use():
            await self._session.connection.publish(control_subject(namespace, agent_uid), payload)
