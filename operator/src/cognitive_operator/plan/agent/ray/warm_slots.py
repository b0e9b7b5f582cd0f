"""Warm slots of an agent in Job mode, by the leases of their workers."""

from collections.abc import Sequence

from cognitive_operator.api.conditions import as_sentence
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.features import Feature


def slot_leases(agent: Agent, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases of the slots that are free or run an attempt, of executors that have not to drain.

    An earlier runtime starts a worker of Embedded mode instead, which drops requests of Job mode.
    """
    if not agent.spec.execution.warm_slots:
        return []
    return [lease for lease in leases if lease.ready and lease.mode == "Job" and Feature.WARM_SLOTS in lease.features]


def slots_message(agent: Agent, leases: Sequence[Lease], problem: str) -> str:
    """Return the message of ExecutorReady of an agent in Job mode with warm slots.

    ``leases`` are those of the current executor. ``problem`` is the message of an executor without a ready worker; it
    is shown if no slot is ready.
    """
    ready, wanted = len(slot_leases(agent, leases)), agent.spec.execution.warm_slots
    head = f"{ready} of {wanted} warm slots are ready; an attempt that finds none free runs as its own Ray job."
    if ready:
        return head
    outdated = next((lease for lease in leases if Feature.WARM_SLOTS not in lease.features), None)
    if outdated is None:
        return f"{head} {as_sentence(problem)}"
    return f"{head} Runtime {outdated.runtime_version} of executor {outdated.submission_id} has no warm slots."


def idle_slots(agent: Agent, ray_jobs: int | None) -> str:
    """Return a sentence, with a space before it, about slots that no attempt can use; empty if all can be used.

    ``ray_jobs`` is the limit ``COGNITIVE_RAY_JOBS``; None: there is none.
    """
    limits = [(agent.spec.queue.max_concurrent_tasks, "spec.queue.maxConcurrentTasks")]
    if ray_jobs is not None:
        limits.append((ray_jobs, "COGNITIVE_RAY_JOBS of the operator"))
    limit, name = min(limits)
    if agent.spec.execution.warm_slots <= limit:
        return ""
    return f" At most {limit} slots are in use at once ({name}); the others stay idle."


def starts_or_waits(agent: Agent) -> str:
    """Return the predicate of an executor's Ray job that has not reported: a large reservation may have to wait."""
    execution = agent.spec.execution
    if not execution.warm_slots or execution.resources is None or not execution.resources.reserved:
        return "is starting"
    return f"waits for a Ray node with {execution.warm_slots} times spec.execution.resources free, or is starting"
