"""Reconciliation of an agent's resources on the broker: consumer, bucket, account, credentials and leases."""

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.broker import Broker
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.redelivery_guard import guard_redelivery
from cognitive_operator.reconcile.state.agent_record import AgentRecord, ObservedWorker
from cognitive_operator.reconcile.state.index import Index


class AgentBrokerReconciler:
    """Ensures an agent's consumer, bucket, account and credentials, and reads the leases of its workers."""

    def __init__(self, index: Index, broker: Broker, accounts: NatsAccounts, clock: Clock) -> None:
        self._index = index
        self._broker = broker
        self._accounts = accounts
        self._clock = clock

    async def reconcile(self, record: AgentRecord) -> Condition:
        """Return the broker's part of the condition Ready."""
        try:
            await self._ensure_consumer(record)
            await self.refresh_leases(record)
        except BrokerUnavailableError as error:
            self._index.update_agent(record, ensured_since_s=None)
            return Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, str(error))
        answers = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The broker answers.")
        return await self._accounts.ensure_secret(record) or answers

    async def _ensure_consumer(self, record: AgentRecord) -> None:
        """Ensure consumer, bucket and account after each connection, and after a worker missed its consumer."""
        since_s = self._broker.connection.ready_since_s
        if record.ensured_since_s == since_s and not record.lacks_consumer:
            return
        if await guard_redelivery(self._broker.requests, self._broker.claims, self._index, record.uid):
            await self._broker.agents.ensure(record.name[0], record.uid)
            self._index.update_agent(record, ensured_since_s=since_s)
        await self._accounts.ensure(record)

    async def refresh_leases(self, record: AgentRecord) -> None:
        """Read the leases of the agent's workers, and record when each one last changed."""
        found = await self._broker.leases.list(record.uid)
        now_s, known = self._clock.monotonic(), self._index.latest(record).workers
        workers: dict[str, ObservedWorker] = {}
        for item in found:
            before = known.get(item.lease.worker)
            is_unchanged = before is not None and before.revision == item.revision
            changed_s = before.changed_s if before is not None and is_unchanged else now_s
            workers[item.lease.worker] = ObservedWorker(item.revision, item.lease, changed_s)
        self._index.update_agent(record, workers=workers, leases_at_s=now_s)
