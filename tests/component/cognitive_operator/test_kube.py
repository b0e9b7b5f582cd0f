import asyncio
import base64
import json
import ssl
from typing import Any

import pytest

from cognitive_operator.adapters.kube.access import KubeAccess, find_access
from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.event_recorder import EventRecorder
from cognitive_operator.adapters.kube.signing_key import ensure_signing_key
from cognitive_operator.api.names import AGENT_FINALIZER, API_VERSION, TASK_KIND, TASK_PLURAL
from cognitive_operator.errors import (
    ApiUnavailableError,
    ConflictError,
    ForbiddenError,
    ObjectInvalidError,
    ObjectNotFoundError,
)
from cognitive_operator.ports.kube import Body, Kube, KubeEvent, ObjectRef
from controlplane import ControlPlane, Kubectl
from support.servers.http_double import HANG, HttpDouble, Reply

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds")]

SPEC = {"agentRef": {"name": "sre"}, "type": "FailureAnalysis", "input": {"error_message": "refused"}}


def create_task(kubectl: Kubectl, name: str = "why") -> Body:
    manifest = {"apiVersion": API_VERSION, "kind": TASK_KIND, "metadata": {"name": name}, "spec": SPEC}
    kubectl.apply(json.dumps(manifest))
    task: Body = kubectl.json("get", TASK_PLURAL, name)
    return task


def secret(name: str, **data: bytes) -> str:
    encoded = {key.replace("_", "-"): base64.b64encode(value).decode() for key, value in data.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded})


async def test_it_is_a_kube(kube: Kube, namespace: str) -> None:
    assert await kube.resources.get(TASK_PLURAL, namespace, "absent") is None


async def test_a_status_is_merged_into_what_stands(kube: KubeApi, kubectl: Kubectl) -> None:
    task = create_task(kubectl)
    once = await kube.statuses.patch(TASK_PLURAL, task, {"phase": "Queued", "reason": "WaitingForSlot"})
    twice = await kube.statuses.patch(TASK_PLURAL, once, {"phase": "Running", "reason": None})
    assert twice["status"] == {"phase": "Running"}
    assert twice["spec"] == task["spec"]
    assert await kube.resources.get(TASK_PLURAL, task["metadata"]["namespace"], "why") == twice


async def test_a_null_in_a_result_is_kept(kube: KubeApi, kubectl: Kubectl) -> None:
    result = {"thought": "t", "output": {"owner": None, "notes": [{"by": None}]}}
    running = await kube.statuses.patch(TASK_PLURAL, create_task(kubectl), {"phase": "Running", "reason": "Running"})
    written = await kube.statuses.patch(TASK_PLURAL, running, {"phase": "Succeeded", "reason": None, "result": result})
    assert written["status"] == {"phase": "Succeeded", "result": result}
    with pytest.raises(ConflictError, match="cognitivetasks/why/status: 409"):
        await kube.statuses.patch(TASK_PLURAL, running, {"result": result})
    kubectl("delete", TASK_PLURAL, "why")
    with pytest.raises(ObjectNotFoundError):
        await kube.statuses.patch(TASK_PLURAL, written, {"result": result})
    create_task(kubectl)
    with pytest.raises(ObjectNotFoundError):
        await kube.statuses.patch(TASK_PLURAL, written, {"result": result})


async def test_a_changed_object_is_a_conflict(kube: KubeApi, kubectl: Kubectl) -> None:
    task = create_task(kubectl)
    await kube.statuses.patch(TASK_PLURAL, task, {"phase": "Queued"})
    with pytest.raises(ConflictError, match="cognitivetasks/why/status: 409"):
        await kube.statuses.patch(TASK_PLURAL, task, {"phase": "Running"})
    with pytest.raises(ConflictError):
        await kube.finalizers.replace(TASK_PLURAL, task, [AGENT_FINALIZER])


async def test_a_deleted_and_a_recreated_object_are_not_found(kube: KubeApi, kubectl: Kubectl) -> None:
    task = create_task(kubectl)
    kubectl("delete", TASK_PLURAL, "why")
    with pytest.raises(ObjectNotFoundError, match="why"):
        await kube.statuses.patch(TASK_PLURAL, task, {"phase": "Running"})
    create_task(kubectl)
    with pytest.raises(ObjectNotFoundError, match=task["metadata"]["uid"]):
        await kube.statuses.patch(TASK_PLURAL, task, {"phase": "Running"})
    assert "status" not in kubectl.json("get", TASK_PLURAL, "why")


async def test_finalizers_are_replaced_whole(kube: KubeApi, kubectl: Kubectl) -> None:
    task = create_task(kubectl)
    held = await kube.finalizers.replace(TASK_PLURAL, task, [AGENT_FINALIZER])
    assert held["metadata"]["finalizers"] == [AGENT_FINALIZER]
    kubectl("delete", TASK_PLURAL, "why", "--wait=false")
    deleting = await kube.resources.get(TASK_PLURAL, held["metadata"]["namespace"], "why")
    assert deleting is not None
    released = await kube.finalizers.replace(TASK_PLURAL, deleting, [])
    assert not released["metadata"].get("finalizers")
    assert await kube.resources.get(TASK_PLURAL, held["metadata"]["namespace"], "why") is None


async def test_content_that_the_schema_refuses_is_not_tried_again(kube: KubeApi, kubectl: Kubectl) -> None:
    task = create_task(kubectl)
    with pytest.raises(ObjectInvalidError, match=r"status\.phase"):
        await kube.statuses.patch(TASK_PLURAL, task, {"phase": "Dreaming"})


async def test_a_missing_right_is_named(kube: KubeApi, kubectl: Kubectl, control_plane: ControlPlane) -> None:
    task = create_task(kubectl)
    kubectl("create", "serviceaccount", "weak")
    admin = find_access({"KUBECONFIG": str(control_plane.kubeconfig_path)})
    token = kubectl("create", "token", "weak").strip()
    anonymous = ssl.create_default_context()
    anonymous.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(admin.tls.get_ca_certs(binary_form=True)[0]))
    weak = KubeAccess(admin.server, anonymous, lambda: f"Bearer {token}")
    async with KubeClient(weak) as client:
        with pytest.raises(ForbiddenError, match=r'cannot patch resource "cognitivetasks/status"'):
            await KubeApi(client).statuses.patch(TASK_PLURAL, task, {"phase": "Queued"})
        with pytest.raises(ForbiddenError, match=r'cannot get resource "secrets"'):
            await ensure_signing_key(KubeApi(client).secrets, task["metadata"]["namespace"], "key")
    async with KubeClient(KubeAccess(admin.server, anonymous, lambda: "Bearer expired")) as client:
        with pytest.raises(ApiUnavailableError, match="401"):
            await KubeApi(client).resources.get(TASK_PLURAL, "default", "why")


async def test_a_resource_that_is_not_served_is_not_taken_for_an_absent_object(kube: KubeApi) -> None:
    with pytest.raises(ApiUnavailableError, match="404"):
        await kube.resources.get("cognitivedreams", "default", "why")


async def test_a_secrets_value_is_read_without_white_space_around(kube: KubeApi, kubectl: Kubectl) -> None:
    kubectl.apply(secret("model", api_key=b"sk-123\n", empty=b"", blank=b" \n", binary=b"\xff\xfe"))
    assert kubectl.namespace is not None
    assert await kube.secrets.read_key(kubectl.namespace, "model", "api-key") == "sk-123"
    for key in ("absent", "empty", "blank"):
        with pytest.raises(ObjectNotFoundError, match=f"Secret {kubectl.namespace}/model has no value under '{key}'"):
            await kube.secrets.read_key(kubectl.namespace, "model", key)
    with pytest.raises(ObjectNotFoundError, match=f"Secret {kubectl.namespace}/other does not exist"):
        await kube.secrets.read_key(kubectl.namespace, "other", "api-key")
    with pytest.raises(ObjectInvalidError, match="'binary' is not UTF-8"):
        await kube.secrets.read_key(kubectl.namespace, "model", "binary")


async def test_many_operators_agree_on_one_signing_key(kube: KubeApi, kubectl: Kubectl, namespace: str) -> None:
    keys = await asyncio.gather(*(ensure_signing_key(kube.secrets, namespace, "signing") for _ in range(8)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32
    assert await ensure_signing_key(kube.secrets, namespace, "signing") == keys[0]
    assert kubectl.json("get", "secret", "signing")["immutable"] is True


@pytest.mark.parametrize("data", [{"master_key": b"short"}, {"other": b"x" * 32}])
async def test_a_secret_that_holds_something_else_is_refused(
    kube: KubeApi, kubectl: Kubectl, namespace: str, data: dict[str, bytes]
) -> None:
    kubectl.apply(secret("signing", **data))
    with pytest.raises(
        ObjectInvalidError, match=rf"{namespace}/signing, key 'master-key': found \d bytes, expected 32"
    ):
        await ensure_signing_key(kube.secrets, namespace, "signing")


async def test_events_stand_beside_their_object(kube: KubeApi, kubectl: Kubectl) -> None:
    task = create_task(kubectl)
    about = ObjectRef(TASK_KIND, task["metadata"]["namespace"], "why", task["metadata"]["uid"])
    dropped: list[None] = []
    async with EventRecorder(kube.events, lambda: dropped.append(None)) as recorder:
        for number in range(5):
            recorder.emit(about, KubeEvent("Warning", "ExecutorLost", f"attempt {number} " + "ü" * 1024))
    assert not dropped
    events = kubectl.json("get", "events", "--field-selector", f"involvedObject.uid={about.uid}")["items"]
    assert len(events) == 5
    assert {event["reportingComponent"] for event in events} == {"cognitive-operator"}
    assert {event["involvedObject"]["kind"] for event in events} == {TASK_KIND}
    assert "ExecutorLost" in kubectl("describe", TASK_PLURAL, "why")


def double(http: HttpDouble, timeout_s: float = 1.0) -> KubeClient:
    return KubeClient(KubeAccess(http.url, ssl.create_default_context(), lambda: None), timeout_s)


TASK: dict[str, Any] = {"metadata": {"name": "why", "namespace": "default", "uid": "u", "resourceVersion": "1"}}
STATUS_CALL = "PATCH /apis/cognitive.seedcore.io/v1alpha1/namespaces/default/cognitivetasks/why/status"


async def test_an_api_server_that_never_answers_costs_the_time_out(http: HttpDouble) -> None:
    http.reply(STATUS_CALL, HANG)
    started = asyncio.get_running_loop().time()
    async with double(http, timeout_s=0.3) as client:
        with pytest.raises(ApiUnavailableError, match="TimeoutError"):
            await KubeApi(client).statuses.patch(TASK_PLURAL, TASK, {})
    assert asyncio.get_running_loop().time() - started < 5


async def test_throttling_says_when_to_come_again(http: HttpDouble) -> None:
    http.reply(STATUS_CALL, Reply(429, json={"message": "too many"}, headers={"Retry-After": "7"}), Reply(503))
    async with double(http) as client:
        with pytest.raises(ApiUnavailableError, match="too many") as raised:
            await KubeApi(client).statuses.patch(TASK_PLURAL, TASK, {})
        assert raised.value.retry_after_s == 7
        with pytest.raises(ApiUnavailableError, match="503") as raised:
            await KubeApi(client).statuses.patch(TASK_PLURAL, TASK, {})
        assert raised.value.retry_after_s is None


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(200, body=b"<html>a proxy's page"), ApiUnavailableError),
        (Reply(200, body=b"[" * 100_000), ApiUnavailableError),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/"}), ObjectInvalidError),
        (Reply(400), ObjectInvalidError),
        (Reply(413), ObjectInvalidError),
        (Reply(500, json=["not an object"]), ApiUnavailableError),
    ],
)
async def test_whatever_answers_is_one_of_the_operators_errors(
    http: HttpDouble, reply: Reply, error: type[Exception]
) -> None:
    http.reply(STATUS_CALL, reply)
    async with double(http) as client:
        with pytest.raises(error):
            await KubeApi(client).statuses.patch(TASK_PLURAL, TASK, {})


async def test_an_absent_api_server_is_named() -> None:
    access = KubeAccess("http://127.0.0.1:1", ssl.create_default_context(), lambda: None)
    async with KubeClient(access) as client:
        with pytest.raises(ApiUnavailableError, match=r"127\.0\.0\.1:1"):
            await KubeApi(client).resources.get(TASK_PLURAL, "default", "why")


async def test_the_patch_carries_its_preconditions(http: HttpDouble) -> None:
    http.reply(STATUS_CALL, Reply(json={"metadata": {}}))
    async with double(http) as client:
        await KubeApi(client).statuses.patch(TASK_PLURAL, TASK, {"phase": "Running"})
    (asked,) = http.asked
    assert asked.json == {"metadata": {"resourceVersion": "1", "uid": "u"}, "status": {"phase": "Running"}}
    assert asked.headers["Content-Type"] == "application/merge-patch+json"
