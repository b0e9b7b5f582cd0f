"""Reconciliation of an agent's Ray cluster."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from cognitive_operator.api.bounds import clean_text
from cognitive_operator.api.children import RAY_CLUSTER, child_name
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.desired.ray_cluster import SUFFIX, desired_ray_cluster, ray_cluster_name
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import (
    CognitiveOperatorError,
    ForbiddenError,
    KindAbsentError,
    ObjectInvalidError,
    ObjectNotFoundError,
    RayRefusedError,
    RayUnavailableError,
)
from cognitive_operator.plan.agent.diagnosis import ObservedChild, diagnose, diagnose_refusal
from cognitive_operator.plan.agent.ray.jobs_api import HEALTHY
from cognitive_operator.plan.agent.ray.ray_cluster import (
    ClusterFacts,
    ObservedRay,
    check_head,
    cluster_label,
    head_of,
    head_url,
    is_asleep,
    life_of,
    plan_ray_cluster,
    ray_not_ready,
    ray_place,
    token_ref,
    with_live_counts,
)
from cognitive_operator.ports.kube import Body, Children, Secrets
from cognitive_operator.ports.ray import RayJobs, RayTarget
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index

VERSION_CHARS: Final = 64
"""Longest version of Ray in a message."""
logger = logging.getLogger(__name__)
_GetCluster = Callable[[AgentRecord], Awaitable[tuple[Body | None, Condition | None]]]
CLUSTER_LABEL: Final = "ray.io/cluster"
HEAD_LABEL: Final = {"ray.io/node-type": "head"}
"""Source: the labels that KubeRay gives its pods."""


class RayClusterReconciler:
    """Keeps the RayCluster that an agent owns, or finds the one that its spec names, and asks its dashboard."""

    def __init__(
        self, index: Index, children: Children, secrets: Secrets, ray: RayJobs, environment: RayEnvironment
    ) -> None:
        self._index = index
        self._children = children
        self._secrets = secrets
        self._ray = ray
        self._environment = environment

    async def reconcile(self, record: AgentRecord, now_s: float) -> None:
        """Bring an owned cluster a step towards the spec, ask the dashboard, and record both at ``now_s``."""
        is_owned = record.agent.spec.ray.cluster is not None
        found = await (self._with_condition(record, self._ensure) if is_owned else self.find(record))
        if found.target is not None:
            found = replace(found, condition=await self._probe_jobs_api(record, found.target))
        elif not found.is_away:
            found = replace(found, target=self._index.latest(record).ray.target)
        latest = self._index.latest(record)
        if latest.agent.spec != record.agent.spec:  # observe the new spec at once
            return
        if found.condition.is_true and not latest.ray.condition.is_true:  # earlier failures had another cause
            self._index.update_agent(record, jobs_api=HEALTHY)
        self._index.update_agent(record, ray=found, ray_at_s=now_s)

    async def find(self, record: AgentRecord) -> ObservedRay:
        """Return the Ray that an agent uses without owning it; reads only, and raises no CognitiveOperatorError."""
        return await self._with_condition(record, self._read)

    async def _with_condition(self, record: AgentRecord, get_cluster: _GetCluster) -> ObservedRay:
        """Return an agent's Ray cluster with the URL of its dashboard, or with a condition while that is not known."""
        agent, place, found = record.agent, ray_place(record.agent), replace(record.ray, target=None)
        try:
            if agent.spec.ray.address is not None:
                return await self._with_token(record, found, agent.spec.ray.address)
            live, condition = await get_cluster(record)
            found = replace(found, is_away=live is None or is_asleep(live))
            if live is None or condition is not None:
                return replace(found, condition=condition or _not_created_yet(place))
            return await self._locate(record, found, live)
        except KindAbsentError:
            message = f"{place}: the cluster does not serve ray.io/v1. Install KubeRay, or use spec.ray.address."
            return replace(found, is_away=True, condition=ray_not_ready(Reason.KUBERAY_ABSENT, message))
        except CognitiveOperatorError as error:
            unknown = Condition.unknown(AgentCondition.RAY_READY, Reason.NOT_CHECKED, f"{place}: {error}")
            return replace(found, condition=diagnose_refusal(AgentCondition.RAY_READY, place, error) or unknown)

    async def retire(self, record: AgentRecord) -> None:
        """Delete the cluster of an earlier spec, on which nothing runs."""
        if record.agent.spec.ray.cluster is not None or record.is_retired:
            return
        try:
            await self.delete(record)
        except (KindAbsentError, ForbiddenError) as error:
            logger.debug("no RayCluster to delete", extra={"agent": "/".join(record.name), "cause": str(error)})
        except CognitiveOperatorError as error:
            logger.info(
                "RayCluster not deleted; will retry", extra={"agent": "/".join(record.name), "cause": str(error)}
            )
            return
        self._index.update_agent(record, is_retired=True)

    async def delete(self, record: AgentRecord) -> None:
        """Delete the RayCluster that an agent owns, if there is one. Raises as ``Children.delete`` does."""
        meta = record.agent.metadata
        name = child_name(meta.name, meta.uid, SUFFIX)
        await self._children.delete(RAY_CLUSTER, meta.namespace, name, meta.uid)

    async def _read(self, record: AgentRecord) -> tuple[Body | None, Condition | None]:
        """Return the RayCluster of ``spec.ray.clusterRef``, or the RayReady condition, False, if it does not exist."""
        live = await self._live(record)
        if live is not None:
            return live, None
        message = f"spec.ray.clusterRef: {ray_place(record.agent)} does not exist; create it, or correct the name."
        return None, ray_not_ready(Reason.RAY_CLUSTER_NOT_FOUND, message)

    async def _live(self, record: AgentRecord) -> Body | None:
        return await self._children.get(RAY_CLUSTER, record.name[0], ray_cluster_name(record.agent))

    async def _ensure(self, record: AgentRecord) -> tuple[Body | None, Condition | None]:
        """Bring the cluster that the agent owns a step towards its spec; return it, and RayReady while it changes."""
        agent, image = record.agent, self._environment.image
        ray = agent.spec.ray.cluster
        assert ray is not None
        awake = desired_ray_cluster(agent, ray, image)
        asleep = desired_ray_cluster(agent, ray, image, is_suspended=True)
        live = await self._live(record)
        is_idle = self._index.is_idle(self._index.latest(record))
        step = plan_ray_cluster(ClusterFacts(agent, awake, asleep, live, is_idle))
        if step.apply is not None:
            live = await self._children.apply(with_live_counts(step.apply, live))
        if step.remove:
            await self.delete(record)
            live = None
        return live, step.condition

    async def _locate(self, record: AgentRecord, found: ObservedRay, live: Body) -> ObservedRay:
        """Return the dashboard of a cluster whose head is ready, or the condition while it is not."""
        agent = record.agent
        if (starting := check_head(live)) is not None:
            return replace(found, condition=await self._diagnosed(live, starting))
        if agent.spec.ray.cluster is not None:  # its status describes the old head until the new one is there
            head = head_of(live, await self._pods(live, HEAD_LABEL))
            if isinstance(head, Condition):
                return replace(found, condition=await self._diagnosed(live, head))
            found = replace(found, life=life_of(head))
        url = head_url(live, by_name=self._environment.is_in_cluster)
        if url is None:
            message = f"{ray_place(agent)} has no address yet."
            return replace(found, condition=ray_not_ready(Reason.RAY_STARTING, message))
        return await self._with_token(record, found, url)

    async def _diagnosed(self, live: Body, condition: Condition) -> Condition:
        """Return why a cluster's pods do not start, or ``condition`` where nothing points to a failure."""
        if condition.reason != Reason.RAY_STARTING:
            return condition
        meta = live["metadata"]
        pods = await self._pods(live, {})
        waiting = next((pod for pod in pods if (pod.get("status") or {}).get("phase") == "Pending"), None)
        about = waiting["metadata"]["name"] if waiting else None
        warnings = await self._children.warnings(meta["namespace"], "Pod", about) if about else ()
        conditions = (live.get("status") or {}).get("conditions") or ()
        child = ObservedChild(AgentCondition.RAY_READY, cluster_label(live), conditions, pods, warnings=warnings)
        return diagnose(child) or condition

    async def _pods(self, live: Body, labels: Mapping[str, str]) -> Sequence[Body]:
        meta = live["metadata"]
        return await self._children.pods(meta["namespace"], {CLUSTER_LABEL: meta["name"], **labels})

    async def _with_token(self, record: AgentRecord, found: ObservedRay, url: str) -> ObservedRay:
        ref = token_ref(record.agent)
        try:
            token = await self._secrets.read_key(record.name[0], ref.name, ref.key) if ref else None
        except (ObjectNotFoundError, ObjectInvalidError) as error:
            return replace(found, condition=ray_not_ready(Reason.SECRET_NOT_FOUND, f"Ray's token: {error}"))
        return replace(found, target=RayTarget(url, token))

    async def _probe_jobs_api(self, record: AgentRecord, target: RayTarget) -> Condition:
        try:
            version = await self._ray.version(target)
        except RayUnavailableError as error:
            return ray_not_ready(Reason.RAY_UNREACHABLE, f"{ray_place(record.agent)}: {error}")
        except RayRefusedError as error:
            return ray_not_ready(Reason.RAY_REFUSED, f"{ray_place(record.agent)}: {error}")
        return Condition.true(
            AgentCondition.RAY_READY,
            Reason.AVAILABLE,
            f"Ray {clean_text(version, VERSION_CHARS)} answers at {target.url}.",
        )


def _not_created_yet(place: str) -> Condition:
    return Condition.unknown(AgentCondition.RAY_READY, Reason.NOT_CHECKED, f"{place} does not exist yet.")
