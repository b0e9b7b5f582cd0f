"""Warm slots of an agent in Job mode, by the leases of their workers."""

from collections.abc import Sequence
from typing import Protocol

from cognitive_operator.api.conditions import Condition, as_sentence
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.features import Feature


class SlotExecutor(Protocol):
    """The observed Ray job of an agent's slots."""

    @property
    def current(self) -> str | None:
        """Submission id of the job."""

    @property
    def failure(self) -> str | None:
        """End of the last finished job."""

    @property
    def leases(self) -> Sequence[Lease]:
        """Fresh leases of the workers."""

    @property
    def problem(self) -> Condition | None:
        """ExecutorReady, False, of a job whose workers do not report."""


def slot_leases(agent: Agent, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases of the slots that are free or run an attempt, of executors that have not to drain.

    An earlier runtime starts a worker of Embedded mode instead, which drops requests of Job mode.
    """
    if not agent.spec.execution.warm_slots:
        return []
    return [lease for lease in leases if lease.ready and lease.mode == "Job" and Feature.WARM_SLOTS in lease.features]


def slots_message(agent: Agent, executor: SlotExecutor) -> str:
    """Return the message of ExecutorReady of an agent in Job mode with warm slots."""
    ready, wanted = len(slot_leases(agent, executor.leases)), agent.spec.execution.warm_slots
    head = f"{ready} of {wanted} warm slots are ready; an attempt that finds none free runs as its own Ray job."
    cause = None if ready else _why_none(executor)
    return f"{head} {cause}" if cause else head


def _why_none(executor: SlotExecutor) -> str | None:
    """Return the reason why no slot is ready, None while the slots start."""
    if executor.problem is not None:
        return as_sentence(executor.problem.message)
    outdated = next((lease for lease in executor.leases if Feature.WARM_SLOTS not in lease.features), None)
    if outdated is not None:
        return f"Runtime {outdated.runtime_version} of executor {outdated.submission_id} has no warm slots."
    unready = next((lease for lease in executor.leases if lease.message), None)
    if unready is not None:
        return as_sentence(str(unready.message))
    if executor.failure is not None:
        return f"The Ray job of the slots ended: {as_sentence(executor.failure)}"
    return f"Ray job {executor.current} of the slots is starting." if executor.current else None
