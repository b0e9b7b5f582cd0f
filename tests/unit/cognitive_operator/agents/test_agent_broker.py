"""An agent's resources on the broker: when they are ensured, and what is recorded of its workers' leases."""

from dataclasses import dataclass
from typing import Any

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.wire import Lease
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.broker import ObservedLease
from cognitive_operator.reconcile.agent.broker import AgentBrokerReconciler
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.recorder import Recorder

CONSUMER = ("agents.ensure", "team", o.AGENT_UID)
ACCOUNT = ("accounts.ensure",)


def lease(worker: str = "w0", reason: str | None = None) -> Lease:
    who = {"worker": worker, "agent_uid": o.AGENT_UID, "submission_id": "ca-x-1", "mode": "Embedded"}
    what = {"ready": reason is None, "reason": reason, "capacity": 8, "runtime_version": "1"}
    return Lease.model_validate(who | what | {"started_at": o.NOW, "renewed_at": o.NOW})


@dataclass
class Accounts:
    """The agent's account and its Secret."""

    recorder: Recorder
    problem: Condition | None = None

    async def ensure(self, record: AgentRecord) -> None:
        self.recorder.record("accounts.ensure")

    async def ensure_secret(self, record: AgentRecord) -> Condition | None:
        return self.problem


class Scene:
    """One agent, and its resources on the broker."""

    def __init__(self) -> None:
        self.index, self.clock, self.broker = Index(), FakeClock(100.0), FakeBroker()
        self.broker.connection.ready_since_s = 5.0
        self.index.upsert_agent(o.agent_body())
        self.accounts = Accounts(self.broker.recorder)
        accounts: Any = self.accounts
        self.reconciler = AgentBrokerReconciler(self.index, self.broker, accounts, self.clock)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    async def reconcile(self) -> Condition:
        self.broker.recorder.calls.clear()
        return await self.reconciler.reconcile(self.record)

    @property
    def ensured(self) -> list[tuple[Any, ...]]:
        """Calls of the last reconciliation that ensure the consumer or the account."""
        return self.broker.recorder.of("agents.ensure", "accounts.ensure")


async def test_consumer_and_account_are_ensured_once_for_each_connection() -> None:
    scene = Scene()
    assert (await scene.reconcile()).is_true
    assert scene.ensured == [CONSUMER, ACCOUNT]
    await scene.reconcile()
    assert scene.ensured == []
    scene.broker.connection.ready_since_s = 50.0
    await scene.reconcile()
    assert scene.ensured == [CONSUMER, ACCOUNT]


async def test_a_consumer_that_a_worker_misses_is_ensured_again() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.broker.leases.listed = [ObservedLease(1, lease(reason="ConsumerMissing"))]
    await scene.reconcile()
    await scene.reconcile()
    assert scene.ensured == [CONSUMER, ACCOUNT]


async def test_a_consumer_waits_for_the_claims_of_running_attempts() -> None:
    scene = Scene()
    running = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Running", "worker": "w0"}
    scene.index.upsert_task(o.task_body({"phase": "Running", "attempts": [running]}), 0.0)
    scene.broker.requests.unclaimed = {o.key()}
    await scene.reconcile()
    assert scene.ensured == [ACCOUNT]
    scene.broker.requests.unclaimed = set()
    await scene.reconcile()
    assert scene.ensured == [CONSUMER, ACCOUNT]


async def test_a_broker_that_does_not_answer_is_told_and_all_is_ensured_afterwards() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.broker.recorder.effects["leases.list"] = BrokerUnavailableError("no answer")
    expected = Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, "no answer")
    assert await scene.reconcile() == expected
    scene.broker.recorder.effects.clear()
    assert (await scene.reconcile()).is_true
    assert scene.ensured == [CONSUMER, ACCOUNT]


async def test_a_problem_with_the_credentials_is_the_brokers_part_of_ready() -> None:
    scene = Scene()
    scene.accounts.problem = Condition.false(AgentCondition.READY, Reason.NAME_TAKEN, "Secret team/x exists")
    assert await scene.reconcile() == scene.accounts.problem


async def test_a_lease_changes_only_with_its_revision() -> None:
    scene = Scene()
    scene.broker.leases.listed = [ObservedLease(1, lease("w0")), ObservedLease(1, lease("w1"))]
    await scene.reconcile()
    scene.clock.advance(5.0)
    scene.broker.leases.listed = [ObservedLease(2, lease("w0")), ObservedLease(1, lease("w1"))]
    await scene.reconcile()
    assert {name: each.changed_s for name, each in scene.record.workers.items()} == {"w0": 105.0, "w1": 100.0}
    assert scene.record.leases_at_s == 105.0
    scene.broker.leases.listed = []
    await scene.reconcile()
    assert scene.record.workers == {}
