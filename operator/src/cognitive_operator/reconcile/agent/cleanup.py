"""Deletion of a deleted agent's resources on Ray and on the broker."""

from cognitive_operator.errors import (
    BrokerUnavailableError,
    CognitiveOperatorError,
    KindAbsentError,
    RayRefusedError,
    RayUnavailableError,
)
from cognitive_operator.plan.agent.ray.executor import unfinished_jobs
from cognitive_operator.ports.broker import AgentResources
from cognitive_operator.ports.ray import RayJobs, RayTarget
from cognitive_operator.reconcile.agent.cluster_secret import ClusterSecrets
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deletion_log import log_deletion


class AgentCleanup:
    """Deletes an agent's Ray and NATS resources. Each method returns the problem that is left, None if none is."""

    def __init__(
        self,
        ray: RayJobs,
        clusters: RayClusterReconciler,
        resources: AgentResources,
        accounts: NatsAccounts,
        secrets: ClusterSecrets,
    ) -> None:
        self._ray = ray
        self._clusters = clusters
        self._resources = resources
        self._accounts = accounts
        self._secrets = secrets

    async def clean_ray(self, record: AgentRecord) -> str | None:
        """Delete the agent's own cluster, or stop its jobs on a cluster that it does not own."""
        if record.agent.spec.ray.cluster is not None:
            return await self._delete_cluster(record)
        ray = record.ray if record.ray.target is not None else await self._clusters.find(record)
        if ray.is_away:
            return None
        if ray.target is None:
            return f"Ray jobs may still be running: {ray.condition.message}"
        return await self._stop_jobs(record, ray.target)

    async def clean_broker(self, record: AgentRecord, *, is_ray_clean: bool) -> str | None:
        """Delete the agent's consumer, bucket and account; the account only later while a job may still run."""
        objects = f"consumer, object bucket, requests, claims and leases of agent {record.uid}"
        try:
            await self._resources.delete(record.uid)
            log_deletion(objects, f"CognitiveAgent {'/'.join(record.name)} is being deleted (deletionTimestamp is set)")
            if is_ray_clean:
                await self._accounts.delete(record.uid)
            else:
                self._accounts.delete_later(record.uid)
        except BrokerUnavailableError as error:
            return f"the consumer, results and account may still exist on the broker: {error}"
        return None

    async def clean_secret(self, record: AgentRecord) -> str | None:
        """Remove the agent's keys from the Secret of the RayCluster that it refers to."""
        return await self._secrets.remove(record)

    async def _delete_cluster(self, record: AgentRecord) -> str | None:
        try:
            await self._clusters.delete(record)
        except KindAbsentError:
            return None
        except CognitiveOperatorError as error:
            return f"the RayCluster was not deleted (Kubernetes garbage collection should remove it): {error}"
        return None

    async def _stop_jobs(self, record: AgentRecord, target: RayTarget) -> str | None:
        try:
            for submission_id in unfinished_jobs(record.uid, await self._ray.list_jobs(target)):
                await self._ray.stop(target, submission_id)
        except (RayUnavailableError, RayRefusedError) as error:
            return f"Ray jobs may still be running: {error}"
        return None
