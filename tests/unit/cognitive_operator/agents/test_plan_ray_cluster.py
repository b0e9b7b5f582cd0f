"""Plan for the RayCluster that an agent owns: creation, change, suspension and removal."""

import copy
from typing import Any

import pytest

from cognitive_operator.api.conditions import Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_cluster import PODS_HASH, QUEUE_LABEL, desired_ray_cluster
from cognitive_operator.desired.ray_job import RayEnvironment, settings_hash
from cognitive_operator.plan.agent.ray.ray_cluster import (
    ClusterFacts,
    ClusterStep,
    check_head,
    head_of,
    head_url,
    life_of,
    plan_ray_cluster,
    ray_place,
    with_live_counts,
)
from cognitive_operator.ports.kube import Body
from cognitive_operator.scheduling.fair_share import ray_cluster_of
from support.builders.operator_objects import AGENT_UID, agent_body

READY = {"type": "HeadPodReady", "status": "True"}


def agent(suspend: bool = False, **cluster: Any) -> Agent:
    return Agent.model_validate(agent_body(ray={"cluster": cluster}, suspend=suspend))


def manifest(of: Agent, *, asleep: bool = False) -> Body:
    assert of.spec.ray.cluster is not None
    return desired_ray_cluster(of, of.spec.ray.cluster, "runtime:1", is_suspended=asleep)


def live_of(of: Agent, *conditions: Body, asleep: bool = False, **status: Any) -> Body:
    body = copy.deepcopy(manifest(of, asleep=asleep))
    body["metadata"]["uid"] = "cluster-uid"
    return body | {"status": {"conditions": list(conditions or [READY]), **status}}


def step(of: Agent, live: Body | None, *, is_idle: bool = False) -> ClusterStep:
    return plan_ray_cluster(ClusterFacts(of, manifest(of), manifest(of, asleep=True), live, is_idle))


def test_an_absent_cluster_is_made_and_one_that_is_right_is_left() -> None:
    assert step(agent(), None) == ClusterStep(apply=manifest(agent()))
    assert step(agent(), live_of(agent())) == ClusterStep()


def test_pods_are_replaced_once_nothing_runs_on_them() -> None:
    changed, live = agent(image="runtime:2"), live_of(agent())
    held = step(changed, live)
    assert (held.apply, held.condition and held.condition.reason) == (None, Reason.RAY_UPDATING)
    assert step(changed, live, is_idle=True) == ClusterStep(apply=manifest(changed))


@pytest.mark.parametrize(
    "live",
    [live_of(agent(), {"type": "HeadPodReady", "status": "False"}), live_of(agent(), asleep=True)],
    ids=["its head is down", "it has no pods"],
)
def test_a_cluster_on_which_nothing_can_run_is_changed_at_once(live: Body) -> None:
    changed = agent(image="runtime:2")
    assert step(changed, live) == ClusterStep(apply=manifest(changed))


def test_the_number_of_workers_changes_at_once() -> None:
    few, many = agent(workers={"minWorkers": 1}), agent(workers={"minWorkers": 3})
    assert step(many, live_of(few)) == ClusterStep(apply=manifest(many))


@pytest.mark.parametrize(
    "change",
    [
        {"image": "other:1"},
        {"rayVersion": "2.61.0"},
        {"head": {"resources": {"limits": {"memory": "3Gi"}}}},
        {"tolerations": [{"key": "gpu"}]},
        {"nodeSelector": {"pool": "a"}},
        {"authOptions": {"mode": "disabled"}},
        {"workers": {"minWorkers": 0, "maxWorkers": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_pods_are_made_of_is_in_their_hash(change: dict[str, Any]) -> None:
    one, other = manifest(agent()), manifest(agent(**change))
    assert one["metadata"]["annotations"][PODS_HASH] != other["metadata"]["annotations"][PODS_HASH]
    template = other["spec"]["headGroupSpec"]["template"]
    assert template["metadata"]["annotations"][PODS_HASH] == other["metadata"]["annotations"][PODS_HASH]


def test_a_suspended_agent_keeps_its_pods_until_it_is_idle() -> None:
    resting = agent(suspend=True)
    assert step(resting, live_of(agent())) == ClusterStep()
    assert step(resting, live_of(agent()), is_idle=True).apply == manifest(resting, asleep=True)
    asleep = step(resting, live_of(agent(), asleep=True))
    assert (asleep.apply, asleep.condition and asleep.condition.reason) == (None, Reason.SUSPENDED)
    assert step(resting, None).apply is None


def test_a_resumed_agent_is_woken_up() -> None:
    woken = step(agent(), live_of(agent(), asleep=True))
    assert woken.apply is not None
    assert woken.apply["spec"]["suspend"] is False


def test_a_cluster_of_a_queue_is_removed_rather_than_suspended() -> None:
    queued = agent(suspend=True, queueName="team")
    live = live_of(queued)
    assert live["metadata"]["labels"][QUEUE_LABEL] == "team"
    assert "suspend" not in live["spec"]
    assert not step(queued, live).remove
    idle = step(queued, live, is_idle=True)
    assert (idle.remove, idle.apply) == (True, None)


def test_what_belongs_to_another_is_only_asked_for_by_name() -> None:
    foreign = live_of(agent(image="theirs"))
    foreign["metadata"]["ownerReferences"] = []
    for suspend in (False, True):
        assert step(agent(suspend=suspend), foreign, is_idle=True).apply == manifest(agent(suspend=suspend))


def test_a_cluster_that_is_being_deleted_is_waited_for() -> None:
    live = live_of(agent())
    live["metadata"]["deletionTimestamp"] = "2026-11-21T02:00:00Z"
    waiting = step(agent(), live, is_idle=True)
    assert (waiting.apply, waiting.condition and waiting.condition.reason) == (None, Reason.RAY_STARTING)


@pytest.mark.parametrize(("count", "kept"), [(0, 1), (3, 3), (9, 4)])
def test_the_autoscalers_number_is_carried_over_within_the_bounds(count: int, kept: int) -> None:
    scaled = agent(workers={"minWorkers": 1, "maxWorkers": 4})
    live = live_of(scaled)
    live["spec"]["workerGroupSpecs"][0]["replicas"] = count
    (group,) = with_live_counts(manifest(scaled), live)["spec"]["workerGroupSpecs"]
    assert group["replicas"] == kept
    assert with_live_counts(manifest(scaled), None) == manifest(scaled)
    fixed = agent(workers={"minWorkers": 2})
    assert with_live_counts(manifest(fixed), live) == manifest(fixed)


def test_a_head_that_is_not_ready_says_why() -> None:
    unready = {"type": "HeadPodReady", "status": "False", "reason": "ContainersNotReady", "message": "[ray-head]"}
    failing = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": "quota"}
    words = {
        "has no status yet: check that the KubeRay operator is running": live_of(agent()) | {"status": {}},
        "has no ready head yet (ContainersNotReady): [ray-head]": live_of(agent(), unready),
        "has no ready head yet (FailedCreateHeadPod): quota": live_of(agent(), failing, unready),
    }
    for word, live in words.items():
        check = check_head(live)
        assert check is not None
        assert check.reason == Reason.RAY_STARTING
        assert word in check.message
    assert check_head(live_of(agent())) is None
    asleep = check_head(live_of(agent(), asleep=True))
    assert asleep is not None
    assert asleep.reason == Reason.RAY_SUSPENDED


def head_pod(pods_hash: str | None, *, deleting: bool = False) -> Body:
    gone = {"deletionTimestamp": "2026-11-21T02:00:00Z"} if deleting else {}
    return {"metadata": {"annotations": {PODS_HASH: pods_hash} if pods_hash else None, **gone}}


def test_only_a_head_of_the_present_settings_counts() -> None:
    live = live_of(agent())
    wanted = live["metadata"]["annotations"][PODS_HASH]
    assert head_of(live, [head_pod("old", deleting=True), head_pod(wanted)]) == head_pod(wanted)
    for heads in ([], [head_pod("old")], [head_pod(None)], [head_pod(wanted, deleting=True)]):
        assert isinstance(head_of(live, heads), Condition)


def test_a_head_that_was_started_again_has_another_life() -> None:
    lives = {
        life_of({"metadata": {"uid": uid}, "status": {"containerStatuses": [{"restartCount": n}, {"restartCount": 0}]}})
        for uid, n in (("a", 0), ("a", 1), ("b", 0))
    }
    assert len(lives) == 3
    environment = RayEnvironment("nats://n:4222")
    assert len({settings_hash(agent(), environment, life) for life in lives}) == 3


def test_the_head_is_asked_by_name_inside_and_by_address_outside() -> None:
    head = {"serviceName": "svc", "serviceIP": "10.0.0.1", "podIP": "10.0.0.2"}
    live = live_of(agent(), head=head)
    assert head_url(live, by_name=True) == "http://svc.team.svc:8265"
    assert head_url(live, by_name=False) == "http://10.0.0.1:8265"
    bare = live_of(agent())
    assert head_url(bare, by_name=True) == f"http://{bare['metadata']['name']}-head-svc.team.svc:8265"
    assert head_url(bare, by_name=False) is None


def test_agents_share_a_cluster_by_its_name() -> None:
    owner = agent()
    name = manifest(owner)["metadata"]["name"]
    guest = Agent.model_validate(agent_body(ray={"clusterRef": {"name": name}}))
    direct = Agent.model_validate(agent_body())
    assert ray_cluster_of(owner) == ray_cluster_of(guest) == f"raycluster/team/{name}"
    assert ray_place(guest) == f"RayCluster team/{name}"
    assert (ray_cluster_of(direct), ray_place(direct)) == ("http://ray:8265", "spec.ray.address")
    assert manifest(owner)["metadata"]["labels"]["cognitive.seedcore.io/agent-uid"] == AGENT_UID


def test_an_executor_is_started_anew_on_pods_of_another_image() -> None:
    environment = RayEnvironment("nats://n:4222", image="runtime:1")
    one = settings_hash(agent(), environment)
    assert settings_hash(agent(workers={"minWorkers": 2}), environment) == one
    assert settings_hash(agent(image="runtime:1"), environment) == one
    assert settings_hash(agent(image="runtime:2"), environment) != one
    assert settings_hash(agent(rayVersion="2.61.0"), environment) != one
    direct = Agent.model_validate(agent_body())
    assert settings_hash(direct, environment) == settings_hash(direct, RayEnvironment("nats://n:4222"))
