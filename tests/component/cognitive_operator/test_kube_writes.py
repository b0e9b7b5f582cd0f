"""Objects that the operator creates and deletes."""

import json

import pytest

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.api.names import API_VERSION, TASK_KIND, TASK_PLURAL
from cognitive_operator.errors import ConflictError, ObjectInvalidError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body, Identity
from controlplane import Kubectl

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds")]


def manifest(namespace: str, name: str = "run-1", kind_of: str = "FailureAnalysis") -> Body:
    spec = {"agentRef": {"name": "sre"}, "type": kind_of, "input": {"error_message": "refused"}}
    return {
        "apiVersion": API_VERSION,
        "kind": TASK_KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


async def test_an_object_is_created_once(kube: KubeApi, kubectl: Kubectl, namespace: str) -> None:
    created = await kube.resources.create(TASK_PLURAL, manifest(namespace))
    assert created["metadata"]["uid"] == kubectl.json("get", TASK_PLURAL, "run-1")["metadata"]["uid"]
    with pytest.raises(ConflictError, match="already exists"):
        await kube.resources.create(TASK_PLURAL, manifest(namespace))


async def test_an_object_that_breaks_a_rule_is_invalid(kube: KubeApi, namespace: str) -> None:
    with pytest.raises(ObjectInvalidError, match="task_description"):
        await kube.resources.create(TASK_PLURAL, manifest(namespace, kind_of="TaskPlanning"))


async def test_only_the_very_object_in_its_very_state_is_deleted(
    kube: KubeApi, kubectl: Kubectl, namespace: str
) -> None:
    old = await kube.resources.create(TASK_PLURAL, manifest(namespace))
    kubectl("label", TASK_PLURAL, "run-1", "team=sre")
    new = json.loads(kubectl("get", TASK_PLURAL, "run-1", "-o", "json"))["metadata"]
    for uid, version in ((new["uid"], old["metadata"]["resourceVersion"]), ("other", new["resourceVersion"])):
        with pytest.raises(ConflictError):
            await kube.resources.delete(TASK_PLURAL, namespace, "run-1", Identity(uid, version))
    await kube.resources.delete(TASK_PLURAL, namespace, "run-1", Identity(new["uid"], new["resourceVersion"]))
    with pytest.raises(ObjectNotFoundError):
        await kube.resources.delete(TASK_PLURAL, namespace, "run-1", Identity(new["uid"], new["resourceVersion"]))
