"""Next step for the RayCluster that an agent owns, and conditions of RayClusters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.children import owner_of, spec_hash_of
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.ray_spec import RayTokenRef
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_cluster import PODS_HASH, ray_cluster_name
from cognitive_operator.plan.agent.diagnosis import reason_and_message
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.ray import RayTarget

RAY_NOT_CHECKED: Final = Condition.unknown(AgentCondition.RAY_READY, Reason.NOT_CHECKED, "Not checked yet.")


@dataclass(frozen=True)
class ObservedRay:
    """An agent's Ray cluster as last observed."""

    condition: Condition
    """RayReady."""
    target: RayTarget | None = None
    """The dashboard that serves the agent's jobs; None: not known yet, or there is no cluster."""
    life: str = ""
    """Identifies the running head of an owned cluster; a restarted head has another value."""
    is_away: bool = False
    """True if the cluster does not exist or has no pods, so that no job of the agent exists."""

    @property
    def is_updating(self) -> bool:
        """True while a change of the owned cluster waits until no attempt runs on it."""
        return self.condition.reason == Reason.RAY_UPDATING


RAY_NOT_OBSERVED: Final = ObservedRay(RAY_NOT_CHECKED)


@dataclass(frozen=True)
class ClusterFacts:
    """An agent's own RayCluster as last read, and the manifests that it can get."""

    agent: Agent
    awake: Body
    """The manifest of the cluster with its pods."""
    asleep: Body
    """The manifest of the cluster without pods."""
    live: Body | None
    is_idle: bool
    """True if no attempt runs on it and none can start."""


@dataclass(frozen=True)
class ClusterStep:
    """Next step; without any field set: leave the cluster unchanged and ask its head."""

    apply: Body | None = None
    remove: bool = False
    condition: Condition | None = None
    """RayReady while the head is not to be asked."""


def plan_ray_cluster(facts: ClusterFacts) -> ClusterStep:
    """Return the next step; pods are removed only once nothing runs on them."""
    live = facts.live
    if live is not None and owner_of(live) != facts.agent.metadata.uid:
        return ClusterStep(apply=facts.awake)  # the API server's object has another owner, which ``apply`` refuses
    if live is not None and live["metadata"].get("deletionTimestamp"):
        return ClusterStep(condition=_starting(live, "is being deleted and will be created again"))
    if facts.agent.spec.suspend:
        return _rest(facts)
    if live is None or _can_replace(facts, live):
        return ClusterStep(apply=facts.awake)
    if spec_hash_of(live) == spec_hash_of(facts.awake):
        return ClusterStep()
    message = f"{cluster_label(live)} will be updated once its running attempts finish; new attempts wait until then."
    return ClusterStep(condition=ray_not_ready(Reason.RAY_UPDATING, message))


def _can_replace(facts: ClusterFacts, live: Body) -> bool:
    if spec_hash_of(live) == spec_hash_of(facts.awake):
        return False
    return facts.is_idle or _pods_hash(live) == _pods_hash(facts.awake) or is_asleep(live) or not is_head_ready(live)


def _rest(facts: ClusterFacts) -> ClusterStep:
    live, ray = facts.live, facts.agent.spec.ray.cluster
    suspended = ray_not_ready(Reason.SUSPENDED, "spec.suspend is true: Ray is scaled to zero.")
    is_queued = ray is not None and ray.queue_name is not None
    if live is None or (not is_queued and spec_hash_of(live) == spec_hash_of(facts.asleep)):
        return ClusterStep(condition=suspended)
    if not facts.is_idle:
        return ClusterStep()
    if is_queued:  # Kueue would resume a suspended cluster that it has admitted
        return ClusterStep(remove=True, condition=suspended)
    return ClusterStep(apply=facts.asleep, condition=suspended)


def with_live_counts(manifest: Body, live: Body | None) -> Body:
    """Return the manifest with the number of workers that Ray's autoscaler has set, if the cluster has one."""
    spec = manifest["spec"]
    if live is None or not spec.get("enableInTreeAutoscaling"):
        return manifest
    counts = {g["groupName"]: g.get("replicas") for g in live["spec"].get("workerGroupSpecs") or []}
    groups = [_with_count(group, counts.get(group["groupName"])) for group in spec["workerGroupSpecs"]]
    return {**manifest, "spec": {**spec, "workerGroupSpecs": groups}}


def _with_count(group: Body, count: int | None) -> Body:
    return (
        group if count is None else {**group, "replicas": min(max(count, group["minReplicas"]), group["maxReplicas"])}
    )


def token_ref(agent: Agent) -> RayTokenRef | None:
    """Return the Secret with the token of an agent's Ray, None if Ray asks for no token."""
    ray = agent.spec.ray
    if ray.cluster is None:
        return ray.token_secret_ref
    auth = ray.cluster.auth_options
    return None if auth.mode == "disabled" else RayTokenRef(name=auth.secret_name or ray_cluster_name(agent))


def ray_not_ready(reason: Reason, message: str) -> Condition:
    """Return the condition RayReady with status False."""
    return Condition.false(AgentCondition.RAY_READY, reason, message)


def cluster_label(live: Body) -> str:
    """Return the name by which messages refer to a RayCluster."""
    return f"RayCluster {live['metadata']['namespace']}/{live['metadata']['name']}"


def ray_place(agent: Agent) -> str:
    """Return the name by which messages refer to the Ray cluster of an agent."""
    name = ray_cluster_name(agent)
    return f"RayCluster {agent.metadata.namespace}/{name}" if name else "spec.ray.address"


def condition_of(live: Body, kind: str) -> Body | None:
    """Return one of a RayCluster's own conditions."""
    conditions: list[Body] = (live.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition.get("type") == kind), None)


def is_head_ready(live: Body) -> bool:
    """Return True if KubeRay reports that the head pod is ready."""
    ready = condition_of(live, "HeadPodReady")
    return ready is not None and ready.get("status") == "True"


def is_asleep(live: Body) -> bool:
    """Return True if a RayCluster is suspended, so that it has no pods."""
    return bool(live["spec"].get("suspend"))


def check_head(live: Body) -> Condition | None:
    """Return RayReady while a cluster's head cannot be asked, None once it can."""
    if is_asleep(live):
        return ray_not_ready(Reason.RAY_SUSPENDED, f"{cluster_label(live)} is suspended: it has no pods.")
    if is_head_ready(live):
        return None
    if not live.get("status"):
        return _starting(
            live, "has no status yet: check that the KubeRay operator is running and watches this namespace"
        )
    reported = condition_of(live, "ReplicaFailure") or condition_of(live, "HeadPodReady") or {}
    return _starting(live, f"has no ready head yet{reason_and_message(reported)}")


def head_of(live: Body, heads: Sequence[Body]) -> Body | Condition:
    """Return the head pod that has the present settings, or RayReady while there is none."""
    present = (head for head in heads if not head["metadata"].get("deletionTimestamp"))
    found = next((head for head in present if _pods_hash(head) == _pods_hash(live)), None)
    return _starting(live, "is replacing its pods") if found is None else found


def life_of(head: Body) -> str:
    """Return an identifier that changes when a head restarts: no job outlives its driver, which runs on the head.

    Ray itself continues to report such a job as RUNNING when its state is kept in a Redis (measured with Ray 2.60).
    """
    containers = (head.get("status") or {}).get("containerStatuses") or ()
    return f"{head['metadata'].get('uid')}.{sum(each.get('restartCount', 0) for each in containers)}"


def head_url(live: Body, *, by_name: bool) -> str | None:
    """Return the URL of the head's dashboard, None while it is not known.

    Args:
        live: The RayCluster.
        by_name: True where the names of Services resolve, inside the cluster; else use the head's IP address.
    """
    head, meta = (live.get("status") or {}).get("head") or {}, live["metadata"]
    if by_name:
        return f"http://{head.get('serviceName') or meta['name'] + '-head-svc'}.{meta['namespace']}.svc:8265"
    address = head.get("serviceIP") or head.get("podIP")
    return f"http://{address}:8265" if address else None


def _starting(live: Body, words: str) -> Condition:
    return ray_not_ready(Reason.RAY_STARTING, f"{cluster_label(live)} {words}")


def _pods_hash(body: Body) -> str | None:
    value = (body["metadata"].get("annotations") or {}).get(PODS_HASH)
    return None if value is None else str(value)
