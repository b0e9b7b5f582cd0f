"""The deletion of an agent: what is cleaned first, when it is tried again, and what is left behind after the bound."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.names import AGENT_FINALIZER, executor_prefix
from cognitive_operator.errors import (
    BrokerUnavailableError,
    CognitiveOperatorError,
    ConflictError,
    ForbiddenError,
    KindAbsentError,
    RayUnavailableError,
)
from cognitive_operator.plan.finalizer import FinalizerFacts, FinalizerPlan, plan_finalizer
from cognitive_operator.plan.ray_cluster import RAY_NOT_OBSERVED
from cognitive_operator.ports.kube import Body, KubeEvent, ObjectRef
from cognitive_operator.ports.ray import RayJob, RayTarget
from cognitive_operator.reconcile.agent.cleanup import AgentCleanup
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.writer import AgentWriter
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders.operator_objects import AGENT_UID, agent_body

OWN: dict[str, Any] = {"ray": {"cluster": {}}}


@pytest.mark.parametrize(
    ("deleting_s", "ray", "broker", "expected"),
    [
        (0.0, None, None, FinalizerPlan(True)),
        (0.0, "r", None, FinalizerPlan(False, "r")),
        (0.0, None, "b", FinalizerPlan(False, "b")),
        (19.9, "r", None, FinalizerPlan(False, "r")),
        (20.0, "r", None, FinalizerPlan(True, "r")),
        (20.0, "r", "b", FinalizerPlan(True, "r; b")),
    ],
)
def test_a_finalizer_stays_until_all_is_clean_or_the_bound_is_over(
    deleting_s: float, ray: str | None, broker: str | None, expected: FinalizerPlan
) -> None:
    assert plan_finalizer(FinalizerFacts(deleting_s, 20.0, ray, broker)) == expected


@pytest.mark.parametrize(("deleting_s", "ray", "expected"), [(0.0, None, True), (0.0, "r", False), (20.0, "r", True)])
def test_the_broker_is_cleaned_once_no_executor_needs_it(deleting_s: float, ray: str | None, expected: bool) -> None:
    assert FinalizerFacts(deleting_s, 20.0, ray).may_clean_broker is expected


@dataclass
class Outside:
    """Every port that a deletion uses; records the calls, and fails where a test says so."""

    errors: dict[str, CognitiveOperatorError] = field(default_factory=dict)
    jobs: list[RayJob] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    events: list[KubeEvent] = field(default_factory=list)
    stored: Body = field(default_factory=dict)
    now_s: float = 0.0

    def _call(self, name: str, about: str = "") -> None:
        if name in self.errors:
            raise self.errors[name]
        self.calls.append(f"{name} {about}".strip())

    async def list_jobs(self, target: RayTarget) -> list[RayJob]:
        self._call("list jobs", target.url)
        return self.jobs

    async def stop(self, target: RayTarget, submission_id: str) -> None:
        self._call("stop", submission_id)

    async def find(self, record: AgentRecord) -> Any:
        self._call("find")
        return RAY_NOT_OBSERVED

    async def delete(self, owner: Any) -> None:
        self._call("delete broker" if isinstance(owner, str) else "delete cluster")

    async def delete_account(self, agent_uid: str) -> None:
        self._call("delete account")

    def delete_account_later(self, agent_uid: str) -> None:
        self._call("delete account later")

    async def replace(self, plural: str, body: Body, finalizers: list[str]) -> Body:
        self._call("finalizers", ",".join(finalizers))
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        return body | {"metadata": body["metadata"] | {"finalizers": finalizers, "resourceVersion": version}}

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        return self.stored or None

    def emit(self, about: ObjectRef, event: KubeEvent) -> None:
        self.events.append(event)

    def monotonic(self) -> float:
        return self.now_s


class Deletion:
    """One agent that is being deleted."""

    def __init__(self, **spec: Any) -> None:
        self.outside, self.index = Outside(), Index()
        body = agent_body(**spec)
        body["metadata"] |= {"finalizers": ["others", AGENT_FINALIZER], "resourceVersion": "1"}
        self.index.upsert_agent(body)
        self.body = body
        port: Any = self.outside
        accounts: Any = SimpleNamespace(
            delete=self.outside.delete_account, delete_later=self.outside.delete_account_later
        )
        kube: Any = SimpleNamespace(resources=port, statuses=port, finalizers=port)
        cleanup = AgentCleanup(port, port, port, accounts)
        writer = AgentWriter(self.index, kube, port)
        self.finalizer = AgentFinalizer(self.index, cleanup, writer, port, AgentTiming())

    async def finalize(self, after_s: float = 0.0) -> float | None:
        self.outside.now_s += after_s
        return await self.finalizer.finalize(self.index.agents["team", "sre"], 0.0)


def job(submission_id: str, status: str = "RUNNING", agent_uid: str = "") -> RayJob:
    return RayJob(submission_id, status, "", {"cognitive-agent-uid": agent_uid})


async def test_jobs_are_stopped_before_the_broker_is_cleaned_and_the_finalizer_goes_last() -> None:
    deletion = Deletion(ray={"address": "http://ray:8265"})
    executor = f"{executor_prefix(AGENT_UID)}h-1"
    ended = job("attempt-1", "SUCCEEDED", AGENT_UID)
    deletion.outside.jobs = [job(executor), ended, job("attempt-2", agent_uid=AGENT_UID), job("somebody-else")]
    assert await deletion.finalize() is None
    assert deletion.outside.calls == [
        "list jobs http://ray:8265",
        f"stop {executor}",
        "stop attempt-2",
        "delete broker",
        "delete account",
        "finalizers others",
    ]
    assert deletion.outside.events == []


async def test_an_own_cluster_is_deleted_and_none_without_kuberay() -> None:
    deletion = Deletion(**OWN)
    assert await deletion.finalize() is None
    assert deletion.outside.calls == ["delete cluster", "delete broker", "delete account", "finalizers others"]
    deletion = Deletion(**OWN)
    deletion.outside.errors["delete cluster"] = KindAbsentError("404")
    assert await deletion.finalize() is None
    assert deletion.outside.calls == ["delete broker", "delete account", "finalizers others"]


@pytest.mark.parametrize(
    ("spec", "call", "error", "problem"),
    [
        (OWN, "delete cluster", ForbiddenError("403"), "the RayCluster is left to the garbage collector: 403"),
        ({}, "list jobs", RayUnavailableError("no answer"), "Ray jobs may still run: no answer"),
        (
            {"ray": {"clusterRef": {"name": "shared"}}},
            "",
            RayUnavailableError(""),
            "Ray jobs may still run: Not checked yet.",
        ),
    ],
)
async def test_an_unreachable_ray_holds_the_finalizer_for_a_while_only(
    spec: dict[str, Any], call: str, error: CognitiveOperatorError, problem: str
) -> None:
    deletion = Deletion(**spec)
    deletion.outside.errors[call] = error
    timing = AgentTiming()
    assert await deletion.finalize() == timing.cleanup_retry_s
    assert "delete broker" not in deletion.outside.calls
    assert await deletion.finalize(timing.release_after_s) is None
    assert deletion.outside.calls[-3:] == ["delete broker", "delete account later", "finalizers others"]
    message = f"Finalizer removed with cleanup incomplete: {problem}"
    assert deletion.outside.events == [KubeEvent("Warning", "ReleasedUncleanly", message)]


async def test_an_unreachable_broker_holds_the_finalizer_for_a_while_only() -> None:
    deletion = Deletion(**OWN)
    deletion.outside.errors["delete broker"] = BrokerUnavailableError("away")
    assert await deletion.finalize() == AgentTiming().cleanup_retry_s
    assert await deletion.finalize(AgentTiming().release_after_s) is None
    (event,) = deletion.outside.events
    assert event.message.endswith("the consumer, results and account may still exist on the broker: away")


async def test_a_changed_agent_is_read_again_and_a_deleted_one_is_forgotten() -> None:
    deletion = Deletion(**OWN)
    deletion.outside.errors["finalizers"] = ConflictError("409")
    newer = deletion.body["metadata"] | {"resourceVersion": "7"}
    deletion.outside.stored = deletion.body | {"metadata": newer}
    with pytest.raises(ConflictError, match="CognitiveAgent team/sre changed while its finalizers were written"):
        await deletion.finalize()
    assert deletion.index.agents["team", "sre"].version == 7
    deletion.outside.stored = {}
    with pytest.raises(ConflictError):
        await deletion.finalize()
    assert deletion.index.agents == {}
