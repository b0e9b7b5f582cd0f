"""An agent's resources on the broker: when they are ensured, and what is recorded of its workers' leases."""

from dataclasses import dataclass, field
from typing import Any

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Lease
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.broker import ObservedLease
from cognitive_operator.reconcile.agent.broker import AgentBrokerReconciler
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock


def lease(worker: str = "w0", reason: str | None = None) -> Lease:
    who = {"worker": worker, "agent_uid": o.AGENT_UID, "submission_id": "ca-x-1", "mode": "Embedded"}
    what = {"ready": reason is None, "reason": reason, "capacity": 8, "runtime_version": "1"}
    return Lease.model_validate(who | what | {"started_at": o.NOW, "renewed_at": o.NOW})


@dataclass
class Resources:
    """Every port of the broker that the reconciliation uses, and the agent's account."""

    ready_since_s: float = 5.0
    held: list[ObservedLease] = field(default_factory=list)
    unclaimed: set[AttemptKey] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    is_away: bool = False
    problem: Condition | None = None

    def __post_init__(self) -> None:
        self.connection = self.agents = self.requests = self.claims = self.leases = self

    async def ensure(self, *about: Any) -> None:
        self.calls.append("consumer" if len(about) == 2 else "account")

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        return self.unclaimed

    async def list(self, agent_uid: str) -> list[ObservedLease]:
        if self.is_away:
            raise BrokerUnavailableError("no answer")
        return self.held

    async def ensure_secret(self, record: AgentRecord) -> Condition | None:
        return self.problem


class Scene:
    """One agent and its resources."""

    def __init__(self) -> None:
        self.index, self.clock, self.resources = Index(), FakeClock(100.0), Resources()
        self.index.upsert_agent(o.agent_body())
        port: Any = self.resources
        self.broker = AgentBrokerReconciler(self.index, port, port, self.clock)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    async def reconcile(self) -> Condition:
        self.resources.calls.clear()
        return await self.broker.reconcile(self.record)


async def test_consumer_and_account_are_ensured_once_for_each_connection() -> None:
    scene = Scene()
    assert (await scene.reconcile()).is_true
    assert scene.resources.calls == ["consumer", "account"]
    await scene.reconcile()
    assert scene.resources.calls == []
    scene.resources.ready_since_s = 50.0
    await scene.reconcile()
    assert scene.resources.calls == ["consumer", "account"]


async def test_a_consumer_that_a_worker_misses_is_ensured_again() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.resources.held = [ObservedLease(1, lease(reason="ConsumerMissing"))]
    await scene.reconcile()
    await scene.reconcile()
    assert scene.resources.calls == ["consumer", "account"]


async def test_a_consumer_waits_for_the_claims_of_running_attempts() -> None:
    scene = Scene()
    running = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Running", "worker": "w0"}
    scene.index.upsert_task(o.task_body({"phase": "Running", "attempts": [running]}), 0.0)
    scene.resources.unclaimed = {o.key()}
    await scene.reconcile()
    assert scene.resources.calls == ["account"]
    scene.resources.unclaimed = set()
    await scene.reconcile()
    assert scene.resources.calls == ["consumer", "account"]


async def test_a_broker_that_does_not_answer_is_told_and_all_is_ensured_afterwards() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.resources.is_away = True
    expected = Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, "no answer")
    assert await scene.reconcile() == expected
    scene.resources.is_away = False
    assert (await scene.reconcile()).is_true
    assert scene.resources.calls == ["consumer", "account"]


async def test_a_problem_with_the_credentials_is_the_brokers_part_of_ready() -> None:
    scene = Scene()
    scene.resources.problem = Condition.false(AgentCondition.READY, Reason.NAME_TAKEN, "Secret team/x exists")
    assert await scene.reconcile() == scene.resources.problem


async def test_a_lease_changes_only_with_its_revision() -> None:
    scene = Scene()
    scene.resources.held = [ObservedLease(1, lease("w0")), ObservedLease(1, lease("w1"))]
    await scene.reconcile()
    scene.clock.advance(5.0)
    scene.resources.held = [ObservedLease(2, lease("w0")), ObservedLease(1, lease("w1"))]
    await scene.reconcile()
    assert {name: each.changed_s for name, each in scene.record.workers.items()} == {"w0": 105.0, "w1": 100.0}
    assert scene.record.leases_at_s == 105.0
    scene.resources.held = []
    await scene.reconcile()
    assert scene.record.workers == {}
