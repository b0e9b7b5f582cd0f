"""The deletion of an agent: what is cleaned first, when it is tried again, and what is left behind after the bound."""

from dataclasses import dataclass
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
from cognitive_operator.plan.agent.finalizer import FinalizerFacts, FinalizerPlan, plan_finalizer
from cognitive_operator.plan.agent.ray.ray_cluster import RAY_NOT_OBSERVED, ObservedRay
from cognitive_operator.ports.kube import KubeEvent
from cognitive_operator.ports.ray import RayJob, RayTarget
from cognitive_operator.reconcile.agent.cleanup import AgentCleanup
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.writer import AgentWriter
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders.operator_objects import AGENT_UID, agent_body
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeEvents, FakeKube
from support.fakes.ray import FakeRay
from support.fakes.recorder import Recorder

OWN: dict[str, Any] = {"ray": {"cluster": {}}}
AGENT = ("cognitiveagents", "team", "sre")
RAY = RayTarget("http://ray:8265")
CLUSTER = ("clusters.delete",)
BROKER = ("agents.delete", AGENT_UID)
ACCOUNT = ("accounts.delete", AGENT_UID)
ACCOUNT_LATER = ("accounts.delete_later", AGENT_UID)


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
class Clusters:
    """Finds no cluster of the agent, and records the calls."""

    recorder: Recorder

    async def find(self, record: AgentRecord) -> ObservedRay:
        self.recorder.record("clusters.find")
        return RAY_NOT_OBSERVED

    async def delete(self, record: AgentRecord) -> None:
        self.recorder.record("clusters.delete")


@dataclass
class Accounts:
    """Records which account is deleted, and when."""

    recorder: Recorder

    async def delete(self, agent_uid: str) -> None:
        self.recorder.record("accounts.delete", agent_uid)

    def delete_later(self, agent_uid: str) -> None:
        self.recorder.record("accounts.delete_later", agent_uid)


class Secrets:
    """Keys in the Secret of a RayCluster; ``problem`` is what their removal leaves."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self.removed: list[str] = []

    async def remove(self, record: AgentRecord) -> str | None:
        self.removed.append(record.uid)
        return self.problem


class Deletion:
    """One agent that is being deleted."""

    def __init__(self, **spec: Any) -> None:
        self.recorder, self.clock, self.index = Recorder(), FakeClock(0.0), Index()
        self.kube, self.ray, self.events = FakeKube(self.recorder), FakeRay(self.recorder), FakeEvents()
        self.body = agent_body(**spec)
        self.body["metadata"] |= {"finalizers": ["others", AGENT_FINALIZER], "resourceVersion": "1"}
        self.index.upsert_agent(self.body)
        released = self.body["metadata"] | {"finalizers": ["others"], "resourceVersion": "2"}
        self.kube.finalizers.answer = self.body | {"metadata": released}
        clusters: Any = Clusters(self.recorder)
        accounts: Any = Accounts(self.recorder)
        self.secrets = Secrets()
        secrets: Any = self.secrets
        cleanup = AgentCleanup(self.ray, clusters, FakeBroker(self.recorder).agents, accounts, secrets)
        writer = AgentWriter(self.index, self.kube, self.events)
        self.finalizer = AgentFinalizer(self.index, cleanup, writer, self.clock, AgentTiming())
        self.release = ("finalizers.replace", AGENT[0], self.body, ["others"])

    async def finalize(self, after_s: float = 0.0) -> float | None:
        self.clock.advance(after_s)
        return await self.finalizer.finalize(self.index.agents["team", "sre"], 0.0)


def job(submission_id: str, status: str = "RUNNING", agent_uid: str = "") -> RayJob:
    return RayJob(submission_id, status, "", {"cognitive-agent-uid": agent_uid})


async def test_jobs_are_stopped_before_the_broker_is_cleaned_and_the_finalizer_goes_last() -> None:
    deletion = Deletion(ray={"address": "http://ray:8265"})
    executor = f"{executor_prefix(AGENT_UID)}h-1"
    ended = job("attempt-1", "SUCCEEDED", AGENT_UID)
    jobs = [job(executor), ended, job("attempt-2", agent_uid=AGENT_UID), job("somebody-else")]
    deletion.ray.jobs = {each.submission_id: each for each in jobs}
    assert await deletion.finalize() is None
    stops = [("ray.stop", RAY, executor), ("ray.stop", RAY, "attempt-2")]
    assert deletion.recorder.calls == [("ray.list_jobs", RAY), *stops, BROKER, ACCOUNT, deletion.release]
    assert deletion.events.events == []


async def test_an_own_cluster_is_deleted_and_none_without_kuberay() -> None:
    deletion = Deletion(**OWN)
    assert await deletion.finalize() is None
    assert deletion.recorder.calls == [CLUSTER, BROKER, ACCOUNT, deletion.release]
    deletion = Deletion(**OWN)
    deletion.recorder.effects["clusters.delete"] = KindAbsentError("404")
    assert await deletion.finalize() is None
    assert deletion.recorder.calls == [CLUSTER, BROKER, ACCOUNT, deletion.release]


@pytest.mark.parametrize(
    ("spec", "call", "error", "problem"),
    [
        (
            OWN,
            "clusters.delete",
            ForbiddenError("403"),
            "the RayCluster was not deleted (Kubernetes garbage collection should remove it): 403",
        ),
        ({}, "ray.list_jobs", RayUnavailableError("no answer"), "Ray jobs may still be running: no answer"),
        (
            {"ray": {"clusterRef": {"name": "shared"}}},
            "",
            RayUnavailableError(""),
            "Ray jobs may still be running: Not checked yet.",
        ),
    ],
)
async def test_an_unreachable_ray_holds_the_finalizer_for_a_while_only(
    spec: dict[str, Any], call: str, error: CognitiveOperatorError, problem: str
) -> None:
    deletion = Deletion(**spec)
    deletion.recorder.effects[call] = error
    timing = AgentTiming()
    assert await deletion.finalize() == timing.cleanup_retry_s
    assert BROKER not in deletion.recorder.calls
    assert await deletion.finalize(timing.release_after_s) is None
    assert deletion.recorder.calls[-3:] == [BROKER, ACCOUNT_LATER, deletion.release]
    message = f"Finalizer removed with cleanup incomplete: {problem}"
    assert deletion.events.events == [KubeEvent("Warning", "ReleasedUncleanly", message)]


async def test_an_unreachable_broker_holds_the_finalizer_for_a_while_only() -> None:
    deletion = Deletion(**OWN)
    deletion.recorder.effects["agents.delete"] = BrokerUnavailableError("away")
    assert await deletion.finalize() == AgentTiming().cleanup_retry_s
    assert await deletion.finalize(AgentTiming().release_after_s) is None
    (event,) = deletion.events.events
    assert event.message.endswith("the consumer, results and account may still exist on the broker: away")


async def test_a_changed_agent_is_read_again_and_a_deleted_one_is_forgotten() -> None:
    deletion = Deletion(**OWN)
    deletion.recorder.effects["finalizers.replace"] = ConflictError("409")
    newer = deletion.body["metadata"] | {"resourceVersion": "7"}
    deletion.kube.resources.bodies[AGENT] = deletion.body | {"metadata": newer}
    with pytest.raises(ConflictError, match="CognitiveAgent team/sre changed while its finalizers were written"):
        await deletion.finalize()
    assert deletion.index.agents["team", "sre"].version == 7
    del deletion.kube.resources.bodies[AGENT]
    with pytest.raises(ConflictError):
        await deletion.finalize()
    assert deletion.index.agents == {}


async def test_the_finalizer_waits_until_the_agents_keys_are_removed() -> None:
    deletion = Deletion(ray={"address": "http://ray:8265"})
    deletion.secrets.problem = "Secret team/shared-agent-secrets may still have the agent's keys: 503"
    assert await deletion.finalize() == AgentTiming().cleanup_retry_s
    deletion.secrets.problem = None
    assert await deletion.finalize(1.0) is None
    assert deletion.secrets.removed == [AGENT_UID, AGENT_UID]
