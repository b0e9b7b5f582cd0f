"""Limits of the tasks that run or wait at once, by agent, namespace and Ray cluster.

``agent_queue`` applies the limits of an agent and of a namespace, ``fair_share`` those of a Ray cluster.
``shared_limits`` sets them by the agent's spec and the operator's settings.

| limit on | set by | value | applied by |
|---|---|---|---|
| running tasks of an agent | ``spec.queue.maxConcurrentTasks`` | ``QueueLimits`` | ``AgentQueue.free`` |
| tasks admitted beyond these | ``spec.queue.maxQueuedTasks`` | ``QueueLimits`` | ``AgentQueue.admit`` |
| waiting tasks of a namespace | ``COGNITIVE_NAMESPACE_QUEUED_TASKS`` | ``NamespaceLimit`` | ``NamespaceQueues`` |
| running tasks on a Ray cluster | ``COGNITIVE_RAY_JOBS``, ``COGNITIVE_RAY_TASKS`` | ``RayLimits`` | ``FairShare`` |
| an agent's share of these | ``spec.queue.weight`` | ``QueueLimits`` | ``FairShare`` |
| running tasks of an agent, by its workers | their leases | ``DispatchState`` | ``AgentQueue.free`` |
| running tasks of an unknown runtime | ``UNKNOWN_RUNTIME_TASKS`` | ``DispatchState`` | ``AgentQueue.free`` |
| starts while the agent is blocked | ``plan.agent.trial`` | ``DispatchState`` | ``AgentQueue.demand`` |
"""

from dataclasses import dataclass
from typing import Final

UNKNOWN_RUNTIME_TASKS: Final = 1
"""Maximum number of running tasks while the features of the runtime are not known."""


@dataclass(frozen=True)
class QueueLimits:
    """Limits of an agent's queue by its spec."""

    max_concurrent: int = 0
    """``queue.maxConcurrentTasks``; 0 while the agent is unknown."""
    max_queued: int | None = None
    """``queue.maxQueuedTasks``; None: unlimited."""
    weight: int = 1
    """``queue.weight``."""
    is_job: bool = False
    """``execution.mode`` is Job: every attempt is a Ray job of its own, and no worker's capacity limits them."""


@dataclass(frozen=True)
class NamespaceLimit:
    """Limit on the tasks that wait in the queues of all agents of one namespace."""

    max_waiting: int | None = None
    """Maximum number of waiting tasks in each namespace; None: no limit."""
    exempt_until: int = 0
    """Highest arrival of a task in the first complete list.

    The tasks of that list are not limited: an earlier process may have admitted them without a status.
    """


@dataclass(frozen=True)
class RayLimits:
    """Limits on the attempts that run on one Ray cluster at once, over all of its agents."""

    jobs: int = 8
    """Attempts in Job mode: each is a Ray job, whose driver runs on the head."""
    tasks: int | None = None
    """Attempts of warm executors; None: limited only by the capacity of the live workers."""
