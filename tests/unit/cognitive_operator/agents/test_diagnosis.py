"""Causes of a child that is not ready: one row for each, in the words of a real cluster."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.errors import (
    ApiUnavailableError,
    CognitiveOperatorError,
    ConflictError,
    ForbiddenError,
    KindAbsentError,
    NameTakenError,
    ObjectInvalidError,
)
from cognitive_operator.plan.agent.diagnosis import MESSAGE_CHARACTERS, ObservedChild, diagnose, diagnose_refusal
from cognitive_operator.ports.kube import KubeEvent

MODEL_READY = AgentCondition.MODEL_READY
PLACE = "Deployment team/ca-sre-vllm"
QUOTA = 'pods "ca-sre-vllm-1" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0'
PODS = 'pods "ca-1" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"
TRACE = """INFO 11-21 10:00:00 [api.py:1] starting
(APIServer pid=1)   File "/x.py", line 3
(APIServer pid=1) OSError: no-such/model is not a local folder and is not a valid model identifier
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.
"""


def failure(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]}


def pod(*, scheduled: str | None = None, phase: str = "Pending", **container: Any) -> dict[str, Any]:
    said = {"type": "PodScheduled", "status": "True"}
    if scheduled is not None:
        said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": scheduled}
    status: dict[str, Any] = {"phase": phase, "conditions": [said]}
    if container:
        status["containerStatuses"] = [{"name": "vllm", "image": "vllm:no", "ready": False, **container}]
    return {"metadata": {"name": "p-1", "namespace": "team"}, "status": status}


def waiting(reason: str, message: str = "said") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, reason: str = "Error", message: str | None = None, **more: Any) -> dict[str, Any]:
    return {"lastState": {"terminated": {"exitCode": code, "reason": reason, "message": message}}, **more}


def claim(phase: str, storage_class: str | None = None) -> dict[str, Any]:
    spec = {"storageClassName": storage_class} if storage_class else {}
    return {"metadata": {"name": "cache", "namespace": "team"}, "spec": spec, "status": {"phase": phase}}


CRASHED = ended(1, message=TRACE, restartCount=3, **waiting("CrashLoopBackOff"))
KILLED = ended(137, "OOMKilled", **waiting("CrashLoopBackOff"))
CASES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "quota": (
        failure(QUOTA),
        Reason.QUOTA_EXCEEDED,
        ("exceeded quota: none", "raise the namespace's quota or lower the resource requests"),
    ),
    "pod security": (failure(PODS), Reason.POD_SECURITY_VIOLATED, ("allowPrivilegeEscalation", "Pod Security level")),
    "webhook": (failure('admission webhook "x" denied: no'), Reason.CHILD_REFUSED, ("denied: no",)),
    "account": (failure('pods "x" is forbidden: no account'), Reason.FORBIDDEN, ("no account",)),
    "image": (
        {"pods": [pod(**waiting("ImagePullBackOff"))]},
        Reason.IMAGE_PULL_FAILED,
        ("p-1 cannot pull image 'vllm:no' (ImagePullBackOff): said; ",),
    ),
    "no image": ({"pods": [pod(**waiting("ErrImageNeverPull"))]}, Reason.IMAGE_PULL_FAILED, ("imagePullSecrets",)),
    "config": (
        {"pods": [pod(**waiting("CreateContainerConfigError", 'secret "hf" not found'))]},
        Reason.CONTAINER_REFUSED,
        ('cannot start (CreateContainerConfigError): secret "hf" not found',),
    ),
    "memory": ({"pods": [pod(**KILLED)]}, Reason.OUT_OF_MEMORY, ("resources.limits.memory",)),
    "crash loop": (
        {"pods": [pod(**CRASHED)]},
        Reason.CRASH_LOOP,
        ("exited with code 1 repeatedly", "OSError: no-such/model"),
    ),
    "silent crash": (
        {"pods": [pod(**ended(2, **waiting("CrashLoopBackOff")))]},
        Reason.CRASH_LOOP,
        ("exited with code 2 once: Error",),
    ),
    "ended now": (
        {"pods": [pod(state={"terminated": {"exitCode": 1, "message": "ValueError: too long"}})]},
        Reason.CRASH_LOOP,
        ("ValueError: too long",),
    ),
    "restarted": (
        {"pods": [pod(**ended(1, message="x", state={"running": {}}))]},
        Reason.CRASH_LOOP,
        ("exited with code 1 once: x",),
    ),
    "gpus": (
        {"pods": [pod(scheduled=NO_GPU)]},
        Reason.UNSCHEDULABLE,
        ("1 Insufficient nvidia.com/gpu; lower the resource requests",),
    ),
    "unbound": (
        {"pods": [pod(scheduled=UNBOUND)], "claims": [claim("Pending", "fast")]},
        Reason.VOLUME_UNBOUND,
        ("PersistentVolumeClaim team/cache", "'fast'", "storageClassName"),
    ),
    "not provisioned": (
        {
            "pods": [pod()],
            "claims": [claim("Pending")],
            "warnings": [KubeEvent("Warning", "ProvisioningFailed", "no room")],
        },
        Reason.VOLUME_UNBOUND,
        ("is not bound; the default storage class has not provisioned a volume: no room; ",),
    ),
    "lost": ({"claims": [claim("Lost")]}, Reason.VOLUME_UNBOUND, ("lost its volume",)),
    "unmounted": (
        {"pods": [pod()], "warnings": [KubeEvent("Warning", "FailedMount", "no such secret")]},
        Reason.VOLUME_NOT_MOUNTED,
        ("no such secret",),
    ),
    "evicted": (
        {
            "pods": [
                {
                    "metadata": {"name": "p-1"},
                    "status": {"phase": "Failed", "reason": "Evicted", "message": "low on disk"},
                }
            ]
        },
        Reason.POD_FAILED,
        ("failed (Evicted): low on disk",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_cause_names_the_child_its_own_words_and_what_to_do(name: str) -> None:
    seen, reason, words = CASES[name]
    cause = diagnose(ObservedChild(MODEL_READY, PLACE, **seen))
    assert cause is not None
    assert cause.reason == reason
    assert cause.message.startswith(f"{PLACE}: ")
    assert [word for word in words if word not in cause.message] == [], cause.message


GOING = {**pod(**waiting("ImagePullBackOff")), "metadata": {"name": "old", "deletionTimestamp": "now"}}
QUIET: dict[str, dict[str, Any]] = {
    "nothing yet": {},
    "a pod that pulls": {"pods": [pod(**waiting("ContainerCreating"))]},
    "a pod that loads": {"pods": [pod(phase="Running", state={"running": {}})]},
    "a pod that recovered": {"pods": [pod(phase="Running", **ended(1, ready=True, state={"running": {}}))]},
    "a pod that goes away": {"pods": [GOING]},
    "a claim that waits for its pod": {"pods": [pod()], "claims": [claim("Pending")]},
    "an evicted pod with a follower": {"pods": [pod(phase="Failed"), pod()]},
    "an event of the past": {
        "pods": [pod(phase="Running")],
        "warnings": [KubeEvent("Warning", "FailedMount", "no such secret")],
    },
    "a child without failure": {"conditions": [{"type": "ReplicaFailure", "status": "False", "message": QUOTA}]},
}


@pytest.mark.parametrize("name", QUIET)
def test_what_passes_by_itself_is_no_cause(name: str) -> None:
    assert diagnose(ObservedChild(MODEL_READY, PLACE, **QUIET[name])) is None


def test_the_nearest_cause_is_told() -> None:
    pods = [pod(scheduled=NO_GPU), pod(**waiting("ErrImagePull"))]
    both = ObservedChild(MODEL_READY, PLACE, pods=pods, **failure(QUOTA))
    cause = diagnose(both)
    assert cause is not None
    assert cause.reason == Reason.QUOTA_EXCEEDED


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ForbiddenError("403 User cannot patch deployments"), Reason.FORBIDDEN),
        (ForbiddenError(f"403 {QUOTA}"), Reason.QUOTA_EXCEEDED),
        (ForbiddenError(f"403 {PODS}"), Reason.POD_SECURITY_VIOLATED),
        (KindAbsentError("404"), Reason.KIND_ABSENT),
        (NameTakenError("belongs to nobody"), Reason.NAME_TAKEN),
        (ObjectInvalidError("422 spec is immutable"), Reason.CHILD_REFUSED),
    ],
)
def test_a_refusal_has_a_reason_and_the_servers_words(error: CognitiveOperatorError, reason: str) -> None:
    cause = diagnose_refusal(MODEL_READY, PLACE, error)
    assert cause is not None
    assert cause.reason == reason
    assert cause.message.startswith(f"{PLACE}: ")
    assert str(error) in cause.message


@pytest.mark.parametrize("error", [ApiUnavailableError("503"), ConflictError("409")])
def test_what_is_worth_another_try_is_no_refusal(error: CognitiveOperatorError) -> None:
    assert diagnose_refusal(MODEL_READY, PLACE, error) is None


def test_messages_have_a_bound() -> None:
    cause = diagnose(ObservedChild(MODEL_READY, PLACE, **failure("x" * 40_000)))
    assert cause is not None
    assert len(cause.message) == MESSAGE_CHARACTERS
