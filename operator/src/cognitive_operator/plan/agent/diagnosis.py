"""Diagnosis of a child that is not ready: an ordered list of checks, the nearest cause first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.errors import (
    CognitiveOperatorError,
    ForbiddenError,
    KindAbsentError,
    NameTakenError,
    ObjectInvalidError,
)
from cognitive_operator.plan.agent.container_error import container_error
from cognitive_operator.ports.kube import Body, KubeEvent

MESSAGE_CHARACTERS: Final = 1024
_PULL: Final = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_REFUSED: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_UNMOUNTED: Final = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
"""Source: the reasons that kubelet and the attach controller give."""


@dataclass(frozen=True)
class ObservedChild:
    """A child that is not ready, with its pods, its claims and their Events."""

    decides: AgentCondition
    """The agent's condition that the child decides."""
    place: str
    """The child as messages name it, such as ``Deployment ns/name``."""
    conditions: Sequence[Body] = ()
    """The child's own conditions."""
    pods: Sequence[Body] = ()
    """Pods of the child."""
    claims: Sequence[Body] = ()
    """The volume claims that its pods mount."""
    warnings: Sequence[KubeEvent] = field(default_factory=tuple)
    """Warning Events about its pods and claims, the newest first."""


Cause = tuple[Reason, str]
"""A condition's reason and message; the message does not name the child yet."""
Finder = Callable[[ObservedChild], Cause | None]


def diagnose(child: ObservedChild) -> Condition | None:
    """Return the first cause of a child's failure as a condition, None if nothing points to a failure."""
    found = (find(child) for find in FINDERS)
    cause = next((cause for cause in found if cause is not None), None)
    return None if cause is None else _not_ready(child.decides, child.place, cause)


def diagnose_refusal(decides: AgentCondition, place: str, error: CognitiveOperatorError) -> Condition | None:
    """Return the condition of a child that the API server rejected, None for an error that a retry may solve.

    Args:
        decides: The agent's condition that the child decides.
        place: The child as messages name it.
        error: The API server's answer.
    """
    cause = _refusal(error)
    return None if cause is None else _not_ready(decides, place, cause)


def _not_ready(decides: AgentCondition, place: str, cause: Cause) -> Condition:
    reason, message = cause
    return Condition.false(decides, reason, f"{place}: {message}"[:MESSAGE_CHARACTERS])


def _refusal(error: CognitiveOperatorError) -> Cause | None:
    text = str(error)
    if isinstance(error, ForbiddenError):
        return _admission(text) or (Reason.FORBIDDEN, f"{text}; grant the operator this permission")
    if isinstance(error, KindAbsentError):
        return Reason.KIND_ABSENT, f"the cluster does not serve this kind: {text}"
    if isinstance(error, NameTakenError):
        return Reason.NAME_TAKEN, text
    if isinstance(error, ObjectInvalidError):
        return Reason.CHILD_REFUSED, f"the API server rejected it: {text}"
    return None


def _admission(text: str) -> Cause | None:
    """Return the admission rule that rejected an object, by the API server's message."""
    if "violates PodSecurity" in text:
        advice = "use an image and settings that the namespace's Pod Security level allows"
        return Reason.POD_SECURITY_VIOLATED, f"{text}; {advice}"
    if "exceeded quota" in text or "failed quota" in text:
        return Reason.QUOTA_EXCEEDED, f"{text}; raise the namespace's quota or lower the resource requests"
    return None


def _not_created(child: ObservedChild) -> Cause | None:
    """Find pods that the API server did not let the child create."""
    failure = next(
        (c for c in child.conditions if (c.get("type"), c.get("status")) == ("ReplicaFailure", "True")), None
    )
    if failure is None:
        return None
    text = str(failure.get("message") or failure.get("reason") or "its pods cannot be created")
    return _admission(text) or (Reason.FORBIDDEN if "forbidden" in text else Reason.CHILD_REFUSED, text)


def _image(child: ObservedChild) -> Cause | None:
    for pod, container in _containers(child):
        waiting = _waiting(container)
        if waiting.get("reason") in _PULL:
            image, reported = container.get("image"), _reported(waiting)
            advice = "correct the image name, or set imagePullSecrets"
            return Reason.IMAGE_PULL_FAILED, f"{_name(pod)} cannot pull image {image!r}{reported}; {advice}"
    return None


def _refused(child: ObservedChild) -> Cause | None:
    for pod, container in _containers(child):
        waiting = _waiting(container)
        if waiting.get("reason") in _REFUSED:
            return Reason.CONTAINER_REFUSED, f"{_name(pod)} cannot start{_reported(waiting)}"
    return None


def _memory(child: ObservedChild) -> Cause | None:
    for pod, container in _containers(child):
        if container.get("ready") or _last_end(container).get("reason") != "OOMKilled":
            continue
        advice = "raise resources.limits.memory, or reduce the container's memory use"
        return Reason.OUT_OF_MEMORY, f"{_name(pod)} was killed because it exceeded its memory limit; {advice}"
    return None


def _crash(child: ObservedChild) -> Cause | None:
    for pod, container in _containers(child):
        end = _last_end(container)
        is_waiting = _waiting(container).get("reason") == "CrashLoopBackOff"
        if container.get("ready") or not end or not (is_waiting or end.get("exitCode")):
            continue
        times = container.get("restartCount", 0)
        words = container_error(str(end.get("message") or end.get("reason") or "no output"))
        code = f"exited with code {end.get('exitCode')} {'once' if times < 2 else 'repeatedly'}"
        return Reason.CRASH_LOOP, f"{_name(pod)} {code}: {words}"
    return None


def _gone(child: ObservedChild) -> Cause | None:
    """Find pods that were evicted, or that a node rejected."""
    if any((pod.get("status") or {}).get("phase") in ("Pending", "Running") for pod in child.pods):
        return None  # a replacement is starting
    failed = next((pod for pod in child.pods if (pod.get("status") or {}).get("phase") == "Failed"), None)
    return None if failed is None else (Reason.POD_FAILED, f"{_name(failed)} failed{_reported(failed['status'])}")


def _lost_claim(child: ObservedChild) -> Cause | None:
    """Find a claim that cannot be bound; a claim that only waits for its first pod is not one."""
    reasons = {event.reason for event in child.warnings}
    for claim in child.claims:
        phase, meta = (claim.get("status") or {}).get("phase"), claim["metadata"]
        name = f"PersistentVolumeClaim {meta['namespace']}/{meta['name']}"
        if phase == "Lost":
            return Reason.VOLUME_UNBOUND, f"{name} lost its volume; delete and recreate the claim"
        if phase == "Pending" and ("ProvisioningFailed" in reasons or any(map(_waits_for_claim, child.pods))):
            reported = next((n.message for n in child.warnings if n.reason == "ProvisioningFailed"), "")
            wanted = claim["spec"].get("storageClassName")
            which = f"storage class {wanted!r}" if wanted else "the default storage class"
            advice = "set storageClassName to a class that exists and has capacity"
            state = f"is not bound; {which} has not provisioned a volume{reported and ': ' + reported}"
            return Reason.VOLUME_UNBOUND, f"{name} {state}; {advice}"
    return None


def _waits_for_claim(pod: Body) -> bool:
    text = str(_scheduled(pod).get("message") or "").lower()
    return "persistentvolumeclaim" in text or "persistent volumes to bind" in text


def _unschedulable(child: ObservedChild) -> Cause | None:
    for pod in child.pods:
        reported = _scheduled(pod)
        if (reported.get("status"), reported.get("reason")) == ("False", "Unschedulable"):
            text = str(reported.get("message") or "no suitable node").rstrip(". ")
            advice = "lower the resource requests, allow other nodes, or add a node"
            return Reason.UNSCHEDULABLE, f"{_name(pod)} cannot be scheduled: {text}; {advice}"
    return None


def _unmounted(child: ObservedChild) -> Cause | None:
    if not any((pod.get("status") or {}).get("phase") == "Pending" for pod in child.pods):
        return None  # an Event outlives its cause
    event = next((event for event in child.warnings if event.reason in _UNMOUNTED), None)
    return None if event is None else (Reason.VOLUME_NOT_MOUNTED, f"a volume cannot be mounted: {event.message}")


FINDERS: Final[Sequence[Finder]] = (
    _not_created,
    _image,
    _refused,
    _memory,
    _crash,
    _lost_claim,
    _unschedulable,
    _unmounted,
    _gone,
)
"""Finders of a cause, the nearest cause first."""


def _containers(child: ObservedChild) -> Iterator[tuple[Body, Body]]:
    for pod in child.pods:
        if pod["metadata"].get("deletionTimestamp"):
            continue
        status = pod.get("status") or {}
        for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
            yield pod, container


def _waiting(container: Body) -> Body:
    state: Body = container.get("state") or {}
    return state.get("waiting") or {}


def _last_end(container: Body) -> Body:
    """Return the last termination of a container; empty if it never ended."""
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        if state.get("terminated"):
            end: Body = state["terminated"]
            return end
    return {}


def _scheduled(pod: Body) -> Body:
    conditions: list[Body] = (pod.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c.get("type") == "PodScheduled"), {})


def _reported(state: Body) -> str:
    return reason_and_message(state) or ": no reason given"


def reason_and_message(state: Body) -> str:
    """Return the reason and message of a state as the end of a sentence, such as `` (Evicted): The node ran low.``."""
    reason, message = state.get("reason"), state.get("message")
    return (f" ({reason})" if reason else "") + (f": {message}" if message else "")


def _name(pod: Body) -> str:
    return f"pod {pod['metadata']['name']}"
