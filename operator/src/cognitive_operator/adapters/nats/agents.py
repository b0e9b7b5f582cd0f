"""Consumer and object bucket of each agent (port ``AgentResources``)."""

from cognitive_operator.adapters.nats.claims import CLAIM_PREFIX, CLAIM_STREAM
from cognitive_operator.adapters.nats.leases import NatsLeases
from cognitive_operator.adapters.nats.provisioning import ensure_consumer, ensure_stream, metadata_of
from cognitive_operator.adapters.nats.session import NatsSession
from cognitive_operator.adapters.nats.stream_specs import (
    INSTALLATION,
    NAMESPACE,
    namespace_of_consumer,
    object_stream,
    request_consumer,
    results_stream,
)
from cognitive_operator.api.names import REQUEST_STREAM, results_bucket
from cognitive_operator.ports.broker import AgentHome


class NatsAgentResources:
    """Ensures, lists and deletes the consumers and object buckets of agents."""

    def __init__(self, session: NatsSession, leases: NatsLeases) -> None:
        self._session = session
        self._leases = leases

    async def ensure(self, namespace: str, agent_uid: str) -> None:
        """Create the agent's consumer and object bucket, or correct those that differ."""
        async with self._session.use() as js:
            await ensure_consumer(js, request_consumer(namespace, agent_uid))
            await ensure_stream(js, results_stream(namespace, agent_uid, self._session.settings))

    async def home(self, agent_uid: str) -> AgentHome:
        """Return the namespace and the installation of an agent's resources."""
        async with self._session.use() as js:
            consumer = await js.call_optional(f"CONSUMER.INFO.{REQUEST_STREAM}.{agent_uid}")
            stream = await js.call_optional(f"STREAM.INFO.{object_stream(results_bucket(agent_uid))}")
        subject = ((consumer or {}).get("config") or {}).get("filter_subject") or ""
        marks = metadata_of(stream)
        owner = marks.get(INSTALLATION, "")
        is_own = owner in ("", self._session.settings.installation, self._session.settings.take_over)
        return AgentHome(namespace_of_consumer(subject) or marks.get(NAMESPACE, ""), is_own)

    async def list(self) -> set[str]:
        """Return the UIDs of all agents that have a consumer or an object bucket."""
        prefix = object_stream(results_bucket(""))
        async with self._session.use() as js:
            consumers = {name async for name in js.names(f"CONSUMER.NAMES.{REQUEST_STREAM}", "consumers")}
            streams = {name async for name in js.names("STREAM.NAMES", "streams")}
        return consumers | {name.removeprefix(prefix) for name in streams if name.startswith(prefix)}

    async def delete(self, agent_uid: str) -> None:
        """Delete the agent's consumer, object bucket, requests, claims and leases; absent ones are no error."""
        async with self._session.use() as js:
            await js.call_optional(f"CONSUMER.DELETE.{REQUEST_STREAM}.{agent_uid}")
            await js.purge(REQUEST_STREAM, f"agent.request.*.{agent_uid}.>")
            await js.purge(CLAIM_STREAM, f"{CLAIM_PREFIX}{agent_uid}.>")
            await self._leases.delete_all(agent_uid)
            await js.call_optional(f"STREAM.DELETE.{object_stream(results_bucket(agent_uid))}")
