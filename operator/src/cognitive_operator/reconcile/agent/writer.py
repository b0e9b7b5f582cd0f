"""Writes of an agent's finalizers, status and Events."""

from cognitive_operator.api.names import AGENT_FINALIZER, AGENT_KIND, AGENT_PLURAL
from cognitive_operator.errors import ConflictError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body, EventSink, Kube, KubeEvent
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter, WriteResult, Written


class AgentWriter:
    """Writes agents under the resourceVersion of their records, and stores the results in the index.

    Every write raises ConflictError if the agent changed meanwhile; reconcile the newest record then.
    """

    def __init__(self, index: Index, kube: Kube, events: EventSink) -> None:
        self._index = index
        self._finalizers = kube.finalizers
        self._status = StatusWriter(kube, events, AGENT_KIND, AGENT_PLURAL)

    async def ensure_finalizer(self, record: AgentRecord) -> None:
        """Add the operator's finalizer to an agent that lacks it."""
        finalizers = record.agent.metadata.finalizers
        if AGENT_FINALIZER not in finalizers:
            await self._write_finalizers(record, [*finalizers, AGENT_FINALIZER])

    async def remove_finalizer(self, record: AgentRecord) -> None:
        """Remove the operator's finalizer."""
        finalizers = record.agent.metadata.finalizers
        if AGENT_FINALIZER in finalizers:
            await self._write_finalizers(record, [name for name in finalizers if name != AGENT_FINALIZER])

    async def write_status(self, record: AgentRecord, patch: Body) -> bool:
        """Merge-patch the status; False if the agent is gone."""
        result = await self._status.write(record.body, patch)
        self._store(record, result)
        if isinstance(result, Changed):
            raise ConflictError(f"CognitiveAgent {'/'.join(record.name)} changed while its status was written")
        return isinstance(result, Written)

    def emit_event(self, record: AgentRecord, event: KubeEvent) -> None:
        """Emit a Kubernetes Event about an agent."""
        self._status.emit_event(record.body, event.type, event.reason, event.message)

    async def _write_finalizers(self, record: AgentRecord, finalizers: list[str]) -> None:
        try:
            self._index.upsert_agent(await self._finalizers.replace(AGENT_PLURAL, record.body, finalizers))
        except (ConflictError, ObjectNotFoundError):
            self._store(record, await self._status.read_again(record.body))
            message = f"CognitiveAgent {'/'.join(record.name)} changed while its finalizers were written"
            raise ConflictError(message) from None

    def _store(self, record: AgentRecord, result: WriteResult) -> None:
        if isinstance(result, Gone):
            self._index.remove_agent(record.name, record.uid)
        else:
            self._index.upsert_agent(result.body)
