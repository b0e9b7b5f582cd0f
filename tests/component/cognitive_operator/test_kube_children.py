"""The objects that agents own, on a real API server."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cognitive_operator.adapters.kube.access import find_access
from cognitive_operator.adapters.kube.children import KubeChildren
from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.api.children import RAY_CLUSTER, SECRET, SERVICE, child_labels
from cognitive_operator.api.names import AGENT_KIND, API_VERSION, MANAGER
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.child import child_manifest
from cognitive_operator.desired.cluster_secret import agent_keys, desired_cluster_secret, is_kept, keys_of, owns
from cognitive_operator.errors import ConflictError, KindAbsentError, NameTakenError, ObjectInvalidError
from cognitive_operator.ports.kube import Body, Children
from controlplane import ControlPlane, Kubectl
from support.builders.operator_objects import agent_body
from support.cluster.ray_cluster_kind import installed
from support.eventually import eventually

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds")]

CONFIG_MAP = {"apiVersion": "v1", "kind": "ConfigMap"}


@pytest.fixture
async def children(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Children]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig_path))
    async with KubeClient(find_access()) as client:
        yield KubeChildren(client)


@pytest.fixture
def agent(kubectl: Kubectl) -> Agent:
    return created(kubectl, "sre")


def created(kubectl: Kubectl, name: str) -> Agent:
    manifest = {"apiVersion": API_VERSION, "kind": AGENT_KIND, "metadata": {"name": name}}
    kubectl.apply(json.dumps({**manifest, "spec": agent_body()["spec"]}))
    return Agent.model_validate(kubectl.json("get", "cognitiveagents", name))


def secret(agent: Agent, value: str = "one") -> Body:
    return child_manifest(agent, SECRET, "key", {"stringData": {"value": value}})


def service(agent: Agent, port: int) -> Body:
    return child_manifest(agent, SERVICE, "web", {"spec": {"ports": [{"port": port}], "selector": {"app": "web"}}})


def version_of(body: Body) -> str:
    return str(body["metadata"]["resourceVersion"])


def name_of(manifest: Body) -> str:
    return str(manifest["metadata"]["name"])


async def test_a_child_is_made_owned_and_marked(children: Children, agent: Agent, kubectl: Kubectl) -> None:
    manifest = service(agent, 80)
    live = await children.apply(manifest)
    assert live == await children.get(SERVICE, agent.metadata.namespace, name_of(manifest))
    meta = kubectl.json("get", "service", name_of(manifest), "--show-managed-fields")["metadata"]
    (owner,) = meta["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == (AGENT_KIND, agent.metadata.uid, True)
    assert meta["labels"] == child_labels(agent.metadata.uid)
    assert [(m["manager"], m["operation"]) for m in meta["managedFields"]] == [("cognitive-operator", "Apply")]


async def test_what_is_created_is_never_changed(children: Children, agent: Agent, kubectl: Kubectl) -> None:
    first = await children.create(secret(agent, "one"))
    again = await children.create(secret(agent, "two"))
    assert again["data"] == first["data"] == {"value": base64.b64encode(b"one").decode()}
    assert version_of(again) == version_of(first)
    stranger = created(kubectl, "stranger")
    theirs = secret(stranger)
    theirs["metadata"]["name"] = name_of(first)
    with pytest.raises(NameTakenError, match=name_of(first)):
        await children.create(theirs)


async def test_what_is_so_already_is_not_written_again(children: Children, agent: Agent, kubectl: Kubectl) -> None:
    once = await children.apply(service(agent, 80))
    kubectl("label", "service", name_of(once), "team=sre")
    again = await children.apply(service(agent, 80))
    assert again["metadata"]["labels"]["team"] == "sre"
    assert again["metadata"]["managedFields"][0]["time"] == once["metadata"]["managedFields"][0]["time"]
    changed = await children.apply(service(agent, 81))
    assert [port["port"] for port in changed["spec"]["ports"]] == [81]
    assert changed["metadata"]["uid"] == once["metadata"]["uid"]
    assert version_of(await children.apply(service(agent, 81))) == version_of(changed)


@pytest.mark.parametrize("owned", [False, True])
async def test_what_belongs_to_somebody_else_is_left_as_it_is(
    children: Children, agent: Agent, kubectl: Kubectl, owned: bool
) -> None:
    manifest = secret(agent)
    free: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {}}
    foreign = secret(created(kubectl, "other")) if owned else free
    foreign["metadata"]["name"] = name_of(manifest)
    kubectl.apply(json.dumps(foreign))
    before = kubectl.json("get", "secret", name_of(manifest))
    found = "belongs to CognitiveAgent other" if owned else "has no owner"
    with pytest.raises(NameTakenError, match=f"Secret .*/{name_of(manifest)} exists and {found}; delete or rename it"):
        await children.apply(manifest)
    await children.delete(SECRET, agent.metadata.namespace, name_of(manifest), agent.metadata.uid)
    assert kubectl.json("get", "secret", name_of(manifest)) == before


async def test_a_child_is_deleted_once(children: Children, agent: Agent) -> None:
    place = (SECRET, agent.metadata.namespace, name_of(secret(agent)))
    await children.apply(secret(agent))
    await children.delete(*place, agent.metadata.uid)
    assert await children.get(*place) is None
    await children.delete(*place, agent.metadata.uid)


async def test_a_child_that_is_being_deleted_is_not_brought_back(
    children: Children, agent: Agent, kubectl: Kubectl
) -> None:
    live = await children.apply(secret(agent))
    kubectl("patch", "secret", name_of(live), "--type=merge", "-p", '{"metadata":{"finalizers":["test.example/hold"]}}')
    await children.delete(SECRET, agent.metadata.namespace, name_of(live), agent.metadata.uid)
    seen = await children.apply(secret(agent, "two"))
    assert seen["metadata"]["deletionTimestamp"]
    assert base64.b64decode(seen["data"]["value"]) == b"one"
    kubectl("patch", "secret", name_of(live), "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert (await children.apply(secret(agent, "two")))["metadata"]["uid"] != live["metadata"]["uid"]


async def test_a_kind_that_is_not_served_is_told_from_an_absent_object(children: Children, agent: Agent) -> None:
    with pytest.raises(KindAbsentError, match=r"ray\.io/v1"):
        await children.get(RAY_CLUSTER, agent.metadata.namespace, "any")
    with pytest.raises(KindAbsentError):
        await children.apply(child_manifest(agent, RAY_CLUSTER, "ray", {"spec": {}}))
    assert await children.get(SECRET, "no-such-namespace", "any") is None


async def test_only_the_agents_pods_are_listed(children: Children, agent: Agent, kubectl: Kubectl) -> None:
    container = {"name": "main", "image": "none:1"}
    eventually(lambda: kubectl("get", "serviceaccounts", "default", "--ignore-not-found"))  # a pod needs it
    for name, labels in (("mine", child_labels(agent.metadata.uid)), ("theirs", child_labels("other"))):
        meta = {"name": name, "labels": labels}
        kubectl.apply(
            json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [container]}})
        )
    pods = await children.pods(agent.metadata.namespace, child_labels(agent.metadata.uid))
    assert [pod["metadata"]["name"] for pod in pods] == ["mine"]


async def test_warnings_about_one_object_come_newest_first(children: Children, agent: Agent, kubectl: Kubectl) -> None:
    for number, (kind, name, about) in enumerate(
        [
            ("Warning", "first", "child"),
            ("Warning", "second", "child"),
            ("Normal", "third", "child"),
            ("Warning", "x", "y"),
        ]
    ):
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"e{number}"},
            "type": kind,
            "reason": name.title(),
            "message": f"the {name}",
            "lastTimestamp": f"2026-11-21T02:00:0{number}Z",
            "involvedObject": {"kind": "Pod", "name": about, "namespace": agent.metadata.namespace},
        }
        kubectl.apply(json.dumps(event))
    seen = await children.warnings(agent.metadata.namespace, "Pod", "child")
    assert [(event.reason, event.message) for event in seen] == [("Second", "the second"), ("First", "the first")]


async def test_a_kind_of_another_version_refuses_what_it_does_not_know(
    children: Children, agent: Agent, control_plane: ControlPlane
) -> None:
    known = {"type": "object", "properties": {"rayVersion": {"type": "string"}}}
    with installed(control_plane.kubectl, known):
        made = await children.apply(child_manifest(agent, RAY_CLUSTER, "ray", {"spec": {"rayVersion": "2.60.0"}}))
        assert made["spec"] == {"rayVersion": "2.60.0"}
        with pytest.raises(ObjectInvalidError, match=r"authOptions: field not declared in schema"):
            await children.apply(child_manifest(agent, RAY_CLUSTER, "ray", {"spec": {"authOptions": {}}}))


def cluster_body(kubectl: Kubectl) -> Body:
    """Return the body of a RayCluster; its metadata is that of a ConfigMap, which this API server can store."""
    kubectl("create", "configmap", "shared")
    return {"metadata": kubectl.json("get", "configmap", "shared")["metadata"]}


def owned_secret(cluster: Body) -> Body:
    """Return the Secret of a RayCluster, owned by its ConfigMap: garbage collection deletes it without its owner."""
    manifest = desired_cluster_secret(cluster)
    (owner,) = manifest["metadata"]["ownerReferences"]
    return manifest | {"metadata": manifest["metadata"] | {"ownerReferences": [owner | CONFIG_MAP]}}


async def test_each_field_manager_changes_only_its_own_keys_of_a_shared_secret(
    children: Children, kubectl: Kubectl
) -> None:
    cluster = cluster_body(kubectl)
    namespace, name = cluster["metadata"]["namespace"], "shared-agent-secrets"
    live = await children.apply_fields(owned_secret(cluster), MANAGER)
    uid = live["metadata"]["uid"]

    async def put(agent_uid: str, **files: str) -> Body:
        encoded = {file: base64.b64encode(value.encode()).decode() for file, value in files.items()}
        part = agent_keys(namespace, name, agent_uid, encoded)
        part["metadata"]["uid"] = uid
        return await children.apply_fields(part, f"{MANAGER}-{agent_uid}")

    await asyncio.gather(*(put(f"a{n}", key="one", other="two") for n in range(8)))
    await put("a1", key="changed")
    live = await put("a2")
    assert is_kept(live)
    assert owns(live, cluster)
    assert keys_of(live, "a1") == {"key": base64.b64encode(b"changed").decode()}
    assert keys_of(live, "a2") == {}
    assert all(set(keys_of(live, f"a{n}")) == {"key", "other"} for n in (0, 3, 4, 5, 6, 7))
    managers = {entry["manager"] for entry in live["metadata"]["managedFields"]}
    assert managers == {MANAGER} | {f"{MANAGER}-a{n}" for n in range(8) if n != 2}, "a removed agent is remembered"


async def test_the_keys_of_a_secret_that_was_recreated_are_not_applied(children: Children, kubectl: Kubectl) -> None:
    cluster = cluster_body(kubectl)
    part = agent_keys(cluster["metadata"]["namespace"], "shared-agent-secrets", "a1", {"key": "eA=="})
    part["metadata"]["uid"] = "99999999-9999-9999-9999-999999999999"
    with pytest.raises(ConflictError):
        await children.apply_fields(part, f"{MANAGER}-a1")
    assert not kubectl.json("get", "secrets")["items"]
