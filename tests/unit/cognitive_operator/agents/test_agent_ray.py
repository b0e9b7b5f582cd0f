"""An agent's Ray cluster, managed or named by an address, and the messages about its failures."""

from typing import Any

import pytest

from cognitive_operator.api.children import KINDS, RAY_CLUSTER, ChildKind
from cognitive_operator.api.conditions import Reason
from cognitive_operator.desired.ray_cluster import PODS_HASH
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import (
    ApiUnavailableError,
    CognitiveOperatorError,
    ForbiddenError,
    KindAbsentError,
    NameTakenError,
    ObjectInvalidError,
    ObjectNotFoundError,
    RayRefusedError,
    RayUnavailableError,
)
from cognitive_operator.plan.agent.ray.jobs_api import HEALTHY, JobCall
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.state.agent_record import NEVER_S, AgentRecord
from cognitive_operator.reconcile.state.index import Index
from support.builders.operator_objects import AGENT_UID, agent_body, key, task_body
from support.fakes.kube import FakeSecrets
from support.fakes.ray import FakeRay

NAME = "ca-sre-bafde89c-ray"
HEAD = {"conditions": [{"type": "HeadPodReady", "status": "True"}], "head": {"podIP": "10.0.0.7"}}


class Children:
    """Keeps what is applied; says that its pods are those of the present settings."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Body] = {}
        self.refusal: CognitiveOperatorError | None = None
        self.has_pods = True

    async def apply(self, manifest: Body) -> Body:
        if self.refusal is not None:
            raise self.refusal
        place = (manifest["kind"], manifest["metadata"]["name"])
        self.kept[place] = manifest | {"status": self.kept.get(place, {}).get("status", {})}
        return self.kept[place]

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        if isinstance(self.refusal, KindAbsentError):
            raise self.refusal
        return self.kept.get((kind.kind, name))

    async def delete(self, kind: ChildKind, namespace: str, name: str, owner_uid: str) -> None:
        self.kept.pop((kind.kind, name), None)

    async def pods(self, namespace: str, labels: dict[str, str]) -> list[Body]:
        found = self.kept[RAY_CLUSTER.kind, labels["ray.io/cluster"]]["metadata"].get("annotations", {})
        return [{"metadata": {"name": "head", "annotations": {PODS_HASH: found.get(PODS_HASH)}}}] * self.has_pods

    async def warnings(self, namespace: str, kind: str, name: str) -> list[Any]:
        return []


class System:
    """One agent, and the ports that are asked about its Ray."""

    def __init__(self, ray: dict[str, Any], **spec: Any) -> None:
        self.children, self.secrets, self.ray = Children(), FakeSecrets(), FakeRay(ray_version="2.60.0")
        self.index = Index()
        self.index.is_settled = True
        self.change(ray, version=1, **spec)
        environment = RayEnvironment("nats://n:4222", image="runtime:1", is_in_cluster=False)
        children: Any = self.children
        self.clusters = RayClusterReconciler(self.index, children, self.secrets, self.ray, environment)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    def change(self, ray: dict[str, Any], *, version: int, **spec: Any) -> None:
        body = agent_body(ray=ray, **spec)
        body["metadata"]["resourceVersion"] = str(version)
        assert self.index.upsert_agent(body) is not None

    @property
    def asked(self) -> list[RayTarget]:
        """Dashboards that were asked for their version."""
        return [target for _, target in self.ray.recorder.calls]

    def ready(self, name: str = NAME) -> None:
        self.children.kept[RAY_CLUSTER.kind, name]["status"] = HEAD


async def test_an_address_is_asked_as_ever() -> None:
    system = System({"address": "http://ray:8265"})
    assert system.record.require_ray_target() == RayTarget("http://ray:8265")
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.status, system.asked) == ("True", [RayTarget("http://ray:8265")])
    assert system.record.ray.condition.message == "Ray 2.60.0 answers at http://ray:8265."


async def test_an_address_with_a_token_is_asked_with_it_or_not_at_all() -> None:
    system = System({"address": "http://ray:8265", "tokenSecretRef": {"name": "t"}})
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.reason, system.asked) == (Reason.SECRET_NOT_FOUND, [])
    with pytest.raises(RayUnavailableError):
        system.record.require_ray_target()
    system.secrets.values["team", "t", "auth_token"] = "s3cret"
    await system.clusters.reconcile(system.record, 1.0)
    assert [(target.url, target.token) for target in system.asked] == [("http://ray:8265", "s3cret")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RayUnavailableError("x"), Reason.RAY_UNREACHABLE), (RayRefusedError("HTTP 401"), Reason.RAY_REFUSED)],
)
async def test_a_dashboard_that_does_not_answer_is_told(error: Exception, reason: Reason) -> None:
    system = System({"address": "http://ray:8265"})
    system.ray.recorder.effects["ray.version"] = error
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.status, system.record.ray.condition.reason) == ("False", reason)
    assert system.record.ray.condition.message == f"spec.ray.address: {error}"


async def test_failed_calls_about_jobs_are_forgotten_when_the_dashboard_answers_again() -> None:
    system = System({"address": "http://ray:8265"})
    health = HEALTHY.failed(JobCall.SUBMIT, "no answer", 1.0)
    system.index.update_agent(system.record, jobs_api=health)
    await system.clusters.reconcile(system.record, 1.0)
    assert system.record.jobs_api == HEALTHY
    system.index.update_agent(system.record, jobs_api=health)
    await system.clusters.reconcile(system.record, 2.0)
    assert system.record.jobs_api == health, "it answered all the time"


async def test_an_own_cluster_is_made_waited_for_and_asked_with_its_token() -> None:
    system = System({"cluster": {}})
    await system.clusters.reconcile(system.record, 1.0)
    assert (RAY_CLUSTER.kind, NAME) in system.children.kept
    assert (system.record.ray.condition.reason, system.record.ray.target) == (Reason.RAY_STARTING, None)
    system.ready()
    system.secrets.values["team", NAME, "auth_token"] = "made-by-kuberay"
    await system.clusters.reconcile(system.record, 1.0)
    assert system.record.ray.condition.status == "True"
    assert system.record.require_ray_target().token == "made-by-kuberay"
    assert system.record.require_ray_target().url == "http://10.0.0.7:8265"
    system.children.has_pods = False
    await system.clusters.reconcile(system.record, 1.0)
    assert "is replacing its pods" in system.record.ray.condition.message


async def test_a_cluster_without_authentication_needs_no_token() -> None:
    system = System({"cluster": {"authOptions": {"mode": "disabled"}}})
    await system.clusters.reconcile(system.record, 1.0)
    system.ready()
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.status, system.record.require_ray_target().token) == ("True", None)


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (KindAbsentError("404"), "False", Reason.KUBERAY_ABSENT),
        (NameTakenError("RayCluster x exists"), "False", Reason.NAME_TAKEN),
        (ForbiddenError("cannot patch"), "False", Reason.FORBIDDEN),
        (ForbiddenError("exceeded quota: q"), "False", Reason.QUOTA_EXCEEDED),
        (ObjectInvalidError("field not declared"), "False", Reason.CHILD_REFUSED),
        (ApiUnavailableError("503"), "Unknown", Reason.NOT_CHECKED),
        (ObjectNotFoundError("namespace"), "Unknown", Reason.NOT_CHECKED),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_cluster_that_cannot_be_made_says_why(error: CognitiveOperatorError, status: str, reason: str) -> None:
    system = System({"cluster": {}})
    system.children.refusal = error
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.status, system.record.ray.condition.reason) == (status, reason)
    assert f"RayCluster team/{NAME}" in system.record.ray.condition.message
    system.children.refusal = None
    await system.clusters.reconcile(system.record, 1.0)
    assert system.record.ray.condition.reason == Reason.RAY_STARTING


async def test_the_cluster_of_another_is_found_with_its_token_and_never_written() -> None:
    system = System({"clusterRef": {"name": "shared"}, "tokenSecretRef": {"name": "shared"}})
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.reason, system.record.ray.is_away) == (Reason.RAY_CLUSTER_NOT_FOUND, True)
    shared = {"metadata": {"name": "shared", "namespace": "team"}, "spec": {}, "status": HEAD}
    system.children.kept[RAY_CLUSTER.kind, "shared"] = shared
    system.secrets.values["team", "shared", "auth_token"] = "t"
    await system.clusters.reconcile(system.record, 1.0)
    assert (system.record.ray.condition.status, system.record.ray.is_away) == ("True", False)
    assert list(system.children.kept) == [(RAY_CLUSTER.kind, "shared")]
    assert system.children.kept[RAY_CLUSTER.kind, "shared"] is shared


@pytest.mark.parametrize("busy", ["a task runs", "a task can start", "it is not known what runs", None])
async def test_pods_are_taken_away_only_when_nothing_runs_and_nothing_can_start(busy: str | None) -> None:
    system = System({"cluster": {}})
    await system.clusters.reconcile(system.record, 1.0)
    system.ready()
    system.secrets.values["team", NAME, "auth_token"] = "t"
    await system.clusters.reconcile(system.record, 1.0)
    assert system.record.ray.target is not None
    system.change({"cluster": {}}, version=2, suspend=True)
    task = system.index.upsert_task(task_body(), 0.0)
    assert task is not None
    if busy == "a task runs":
        system.index.adopt(task.uid, InFlightAttempt(key(), "Embedded", 0.0))
    if busy == "a task can start":
        system.index.block(system.record, None)
    system.index.is_settled = busy != "it is not known what runs"
    await system.clusters.reconcile(system.record, 1.0)
    is_asleep = system.children.kept[RAY_CLUSTER.kind, NAME]["spec"]["suspend"]
    assert (is_asleep, system.record.ray.is_away) == (busy is None, busy is None)
    if busy is None:
        assert system.record.ray.condition.reason == Reason.SUSPENDED
        assert system.record.ray.target is None
        assert system.index.ray_target(AGENT_UID) is None


async def test_a_cluster_that_is_not_wanted_any_more_goes_once_the_agent_has_moved() -> None:
    system = System({"cluster": {}})
    await system.clusters.reconcile(system.record, 1.0)
    system.change({"address": "http://ray:8265"}, version=2)
    await system.clusters.retire(system.record)
    assert (system.children.kept, system.record.is_retired) == ({}, True)


async def test_an_observation_of_an_older_spec_is_dropped() -> None:
    system = System({"address": "http://old:8265"})
    old = system.record
    system.change({"address": "http://new:8265"}, version=2)
    await system.clusters.reconcile(old, 1.0)
    assert (system.record.ray.target, system.record.ray_at_s) == (RayTarget("http://new:8265"), NEVER_S)


def test_every_kind_is_known_by_its_name() -> None:
    assert all(KINDS[name].kind == name for name in KINDS)
