"""Finds the Ray cluster of an agent, or keeps the one that it owns, and asks its head whether it serves."""

import logging
from typing import Final

from cognitive_operator.api.children import RAY_CLUSTER, child_name
from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.api.ray_spec import ManagedRay, RayTokenRef
from cognitive_operator.desired.ray_cluster import SUFFIX, desired_ray_cluster, ray_cluster_name
from cognitive_operator.errors import (
    CognitiveOperatorError,
    ForbiddenError,
    KindAbsentError,
    ObjectInvalidError,
    ObjectNotFoundError,
    RayRefusedError,
    RayUnavailableError,
)
from cognitive_operator.plan.diagnosis import ObservedChild, diagnose, diagnose_refusal
from cognitive_operator.plan.ray_cluster import (
    ClusterFacts,
    check_head,
    cluster_label,
    head_of,
    head_url,
    is_asleep,
    life_of,
    own_token_ref,
    plan_ray_cluster,
    ray_place,
    with_live_counts,
)
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import AgentRecord
from cognitive_operator.status.conditions import Condition

logger = logging.getLogger(__name__)
CLUSTER_LABEL: Final = "ray.io/cluster"
HEAD_LABEL: Final = {"ray.io/node-type": "head"}
"""Source: the labels that KubeRay gives its pods."""


class RayClusterReconciler:
    """Notes what it finds in the agent's record: ``ray`` and ``ray_target``."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index

    async def look(self, record: AgentRecord) -> None:
        """Find the cluster, ask its head, and note both."""
        found = await self.find(record)
        if isinstance(found, Condition):
            record.ray = found
            record.ray_target = None if record.is_ray_away else record.ray_target
        else:
            record.ray_target, record.ray = found, await self._ask(record, found)

    async def find(self, record: AgentRecord) -> RayTarget | Condition:
        """Return where an agent's Ray cluster is asked, or why that is not known; never raises an operator's error."""
        place = ray_place(record.agent)
        try:
            return await self._find(record)
        except KindAbsentError:
            record.is_ray_away = True
            message = f"{place}: the cluster does not serve ray.io/v1. Install KubeRay, or use spec.ray.address."
            return Condition.false(AgentCondition.RAY_READY, Reason.KUBERAY_ABSENT, message)
        except CognitiveOperatorError as error:
            unknown = Condition.unknown(AgentCondition.RAY_READY, Reason.NOT_CHECKED, f"{place}: {error}")
            return diagnose_refusal(AgentCondition.RAY_READY, place, error) or unknown

    async def retire(self, record: AgentRecord, *, is_moved: bool) -> None:
        """Delete the cluster that an agent had before it was given another one, once nothing runs there."""
        if record.agent.spec.ray.cluster is not None or record.is_retired or not is_moved:
            return
        try:
            await self.remove(record)
        except (KindAbsentError, ForbiddenError) as error:
            logger.debug("owns no RayCluster", extra={"agent": "/".join(record.name), "cause": str(error)})
        except CognitiveOperatorError as error:
            logger.info("will retire a RayCluster", extra={"agent": "/".join(record.name), "cause": str(error)})
            return
        record.is_retired = True

    async def remove(self, record: AgentRecord) -> None:
        """Delete the RayCluster that an agent owns, if there is one. Raises as ``Children.delete`` does."""
        meta = record.agent.metadata
        name = child_name(meta.name, meta.uid, SUFFIX)
        await self._deps.children.delete(RAY_CLUSTER, meta.namespace, name, meta.uid)

    async def _find(self, record: AgentRecord) -> RayTarget | Condition:
        ray = record.agent.spec.ray
        if ray.cluster is not None:
            return await self._keep(record, ray.cluster)
        if ray.address is not None:
            token = await self._token(record, ray.token_secret_ref)
            return token if isinstance(token, Condition) else RayTarget(ray.address, token)
        live = await self._live(record)
        record.is_ray_away = live is None or is_asleep(live)
        if live is None:
            message = f"spec.ray.clusterRef: {ray_place(record.agent)} does not exist."
            return Condition.false(AgentCondition.RAY_READY, Reason.RAY_CLUSTER_NOT_FOUND, message)
        return await self._target(record, live, ray.token_secret_ref)

    async def _live(self, record: AgentRecord) -> Body | None:
        return await self._deps.children.get(RAY_CLUSTER, record.name[0], ray_cluster_name(record.agent))

    async def _keep(self, record: AgentRecord, ray: ManagedRay) -> RayTarget | Condition:
        """Bring the cluster that the agent owns a step towards what its spec wants."""
        agent, image = record.agent, self._deps.environment.image
        awake = desired_ray_cluster(agent, ray, image)
        asleep = desired_ray_cluster(agent, ray, image, is_suspended=True)
        live = await self._live(record)
        facts = ClusterFacts(agent, awake, asleep, live, self._index.is_idle(record))
        step = plan_ray_cluster(facts)
        record.is_changing = step.condition is not None and step.condition.reason == Reason.RAY_UPDATING
        if step.apply is not None:
            live = await self._deps.children.apply(with_live_counts(step.apply, live))
        if step.remove:
            await self.remove(record)
        record.is_ray_away = live is None or is_asleep(live) or step.remove
        if step.condition is not None or live is None:
            return step.condition or Condition.unknown(
                AgentCondition.RAY_READY, Reason.NOT_CHECKED, f"{ray_place(agent)} is not there yet."
            )
        return await self._target(record, live, own_token_ref(agent, ray.auth_options))

    async def _target(self, record: AgentRecord, live: Body, token_ref: RayTokenRef | None) -> RayTarget | Condition:
        if (condition := check_head(live) or await self._pods_check(record, live)) is not None:
            return await self._trouble(live) or condition if condition.reason == Reason.RAY_STARTING else condition
        url = head_url(live, by_name=self._deps.environment.is_in_cluster)
        if url is None:
            return Condition.false(
                AgentCondition.RAY_READY, Reason.RAY_STARTING, f"{ray_place(record.agent)} has no address yet."
            )
        token = await self._token(record, token_ref)
        return token if isinstance(token, Condition) else RayTarget(url, token)

    async def _pods_check(self, record: AgentRecord, live: Body) -> Condition | None:
        """Look past the status of an owned cluster, which tells of the old head until the new one is there."""
        if record.agent.spec.ray.cluster is None:
            return None
        labels = {CLUSTER_LABEL: live["metadata"]["name"], **HEAD_LABEL}
        head = head_of(live, await self._deps.children.pods(record.name[0], labels))
        if isinstance(head, Condition):
            return head
        record.ray_life = life_of(head)
        return None

    async def _trouble(self, live: Body) -> Condition | None:
        """Return what keeps a cluster's pods from starting, None if nothing does."""
        children, meta = self._deps.children, live["metadata"]
        pods = await children.pods(meta["namespace"], {CLUSTER_LABEL: meta["name"]})
        waiting = next((pod for pod in pods if (pod.get("status") or {}).get("phase") == "Pending"), None)
        about = waiting["metadata"]["name"] if waiting else None
        warnings = await children.warnings(meta["namespace"], "Pod", about) if about else ()
        conditions = (live.get("status") or {}).get("conditions") or ()
        child = ObservedChild(AgentCondition.RAY_READY, cluster_label(live), conditions, pods, warnings=warnings)
        return diagnose(child)

    async def _token(self, record: AgentRecord, ref: RayTokenRef | None) -> str | Condition | None:
        if ref is None:
            return None
        try:
            return await self._deps.kube.secrets.read_key(record.name[0], ref.name, ref.key)
        except (ObjectNotFoundError, ObjectInvalidError) as error:
            return Condition.false(AgentCondition.RAY_READY, Reason.SECRET_NOT_FOUND, f"Ray's token: {error}")

    async def _ask(self, record: AgentRecord, target: RayTarget) -> Condition:
        try:
            version = await self._deps.ray.version(target)
        except RayUnavailableError as error:
            return Condition.false(
                AgentCondition.RAY_READY, Reason.RAY_UNREACHABLE, f"{ray_place(record.agent)}: {error}"
            )
        except RayRefusedError as error:
            return Condition.false(AgentCondition.RAY_READY, Reason.RAY_REFUSED, f"{ray_place(record.agent)}: {error}")
        return Condition.true(AgentCondition.RAY_READY, Reason.AVAILABLE, f"Ray {version} answers at {target.url}.")
