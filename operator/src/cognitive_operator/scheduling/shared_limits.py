"""Limits that agents share: on the attempts of a Ray cluster, and on the waiting tasks of a namespace."""

from cognitive_operator.api.resources import Agent
from cognitive_operator.scheduling.agent_queue import AgentQueue, NamespaceQueues
from cognitive_operator.scheduling.fair_share import FairShare, ray_cluster_of
from cognitive_operator.scheduling.limits import NamespaceLimit, QueueLimits, RayLimits


class SharedLimits:
    """One share for each mode on each Ray cluster, and the queues of each namespace."""

    def __init__(self, ray: RayLimits, namespace: NamespaceLimit) -> None:
        self._ray = ray
        self._shares: dict[tuple[str, bool], FairShare] = {}
        self.namespaces = NamespaceQueues(namespace)

    def apply(self, queue: AgentQueue, agent: Agent) -> None:
        """Set the limits of an agent's queue by the agent's spec, its own and the shared ones."""
        is_job, wanted = agent.spec.execution.is_job, agent.spec.queue
        queue.set_limits(QueueLimits(wanted.max_concurrent_tasks, wanted.max_queued_tasks, wanted.weight, is_job))
        bound = self._ray.jobs if is_job else self._ray.tasks
        queue.join(self._shares.setdefault((ray_cluster_of(agent), is_job), FairShare(bound)))


def remove_limits(queue: AgentQueue) -> None:
    """Let the queue of a deleted agent admit nothing and share nothing; its running tasks still count."""
    queue.set_limits(QueueLimits())
    queue.join(FairShare())
