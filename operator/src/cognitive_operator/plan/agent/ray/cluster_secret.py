"""State of an agent's keys in the Secret of the RayCluster that it refers to, and what its conditions say of it."""

from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason, as_sentence
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.cluster_secret import MAX_BYTES, cluster_secret_name
from cognitive_operator.plan.mounts import KUBELET_S

_WAITING: Final = (Reason.CREDENTIALS_NOT_MOUNTED, Reason.EXECUTOR_STARTING, Reason.EXECUTOR_NOT_REPORTING)
"""Reasons of executors that may only wait for their files."""
_NEVER_S: Final = float("-inf")
"""Monotonic time of something that did not happen yet."""


@dataclass(frozen=True)
class ClusterSecret:
    """State of an agent's keys; times are monotonic seconds."""

    name: str | None = None
    """Name of the Secret that has the agent's keys, None without one."""
    generation: int = 0
    """Generation of the agent for which the state was found."""
    files: tuple[str, ...] = ()
    """Names of the agent's files in the Secret."""
    digest: str = ""
    """Digest of the files' content."""
    is_complete: bool = True
    """False while a Secret that the agent names, or its value, does not exist."""
    read_at_s: float = _NEVER_S
    """Time of the last read of the Secrets that the agent names."""
    verified_at_s: float = _NEVER_S
    """Time of the last check that left the agent's keys in the cluster's Secret up to date."""
    added_at_s: float = _NEVER_S
    """Time at which a file was last added to the cluster's Secret."""
    problem: Condition | None = None
    """ExecutorReady, False: the reason why the keys are not in the Secret."""

    @property
    def is_known(self) -> bool:
        """True once this process has found the state."""
        return self.generation > 0


NO_CLUSTER_SECRET: Final = ClusterSecret()


def wanted_name(agent: Agent) -> str | None:
    """Return the name of the RayCluster's Secret for an agent's keys, None without ``spec.ray.clusterRef``."""
    ref = agent.spec.ray.cluster_ref
    return cluster_secret_name(ref.name) if ref is not None else None


def too_large(place: str, size: int) -> Condition:
    """Return the problem of a Secret that has no room for an agent's keys."""
    message = (
        f"{place} would have {size} bytes with this agent's keys, and its limit is {MAX_BYTES}. Nothing was removed "
        f"from it. Delete agents of this RayCluster, or move some to another one."
    )
    return Condition.false(AgentCondition.EXECUTOR_READY, Reason.SECRET_TOO_LARGE, message)


def foreign(place: str) -> Condition:
    """Return the problem of a Secret of that name which the operator has not created."""
    message = f"{place} exists, and the operator has not created it. Delete or rename it."
    return Condition.false(AgentCondition.EXECUTOR_READY, Reason.NAME_TAKEN, message)


def not_written(place: str, error: Exception) -> Condition:
    """Return the problem of a Secret that the API server does not let the operator write."""
    message = f"{place} with the keys of the agents of the RayCluster: {error}"
    return Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_KEPT, message)


def with_cluster_secret(executor: Condition, agent: Agent, secret: ClusterSecret, now_s: float) -> Condition:
    """Return ExecutorReady with what the Secret of the RayCluster adds to it.

    A problem is the reason of an executor that waits for its files, and only part of the message of another one, whose
    files may be mounted in another way.
    """
    if secret.problem is not None:
        reason = secret.problem.reason if executor.reason in _WAITING else executor.reason
        message = f"{as_sentence(secret.problem.message)} {executor.message}"
        if executor.is_true:
            message = f"{as_sentence(executor.message)} {secret.problem.message}"
        return replace(executor, reason=reason, message=message)
    if executor.reason not in _WAITING or now_s - secret.added_at_s > KUBELET_S:
        return executor
    place, names = f"{agent.metadata.namespace}/{secret.name}", " and ".join(secret.files)
    note = f"The operator has just put {names} into Secret {place}; pods that mount it show it within {KUBELET_S:g} s."
    return replace(executor, message=f"{as_sentence(executor.message)} {note}")
