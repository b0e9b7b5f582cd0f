"""Features of the runtime that an agent's settings or a task need: the condition RuntimeOutdated, the gate of a task.

A runtime without a feature refuses the request, or ignores the setting without a word. So the tasks wait: all tasks of
an agent whose settings need the feature, or the one task that needs it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Reason
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.variants import used_models
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.attempt.in_flight import AttemptEnd
from cognitive_operator.plan.gates.gate import GateResult

RETRY_RUNTIME_S: Final = 300.0
"""Seconds after which one task tries an outdated runtime of Job mode again, whose image may have been replaced."""
RECHECK_LEASES_S: Final = 5.0
"""Seconds after which a task looks at the leases again. Source: the interval at which they are read."""
RUNTIME_CURRENT: Final = Condition.false(
    AgentCondition.RUNTIME_OUTDATED, Reason.AVAILABLE, "No worker lacks a feature that the agent's settings need."
)


class Feature(StrEnum):
    """Features that a worker's lease names."""

    CUSTOM = "custom"
    """Tasks of type ``custom``, with a signature."""
    DELIBERATION = "deliberation"
    """Tasks with ``deliberation``."""
    DEMONSTRATIONS = "demonstrations"
    EXTRA_BODY = "extra_body"
    OPTIONAL_SAMPLING = "optional_sampling"
    """``temperature`` or ``top_p`` may be absent."""
    PROPOSAL = "proposal"
    """Tasks of type ``proposal``."""
    REASONING = "reasoning"
    SERVE = "serve"
    """Placement in an application on Ray Serve, and resources of warm workers. Ray alone honours those of Job mode."""
    STRUCTURED_OUTPUT = "structured_output"
    TOOLS = "tools"
    """Tasks that may call the agent's tools."""
    WARM_SLOTS = "warm_slots"
    """Workers of Job mode that wait for one attempt each. No task needs it: without it, attempts are Ray jobs."""


@dataclass(frozen=True)
class JobRuntime:
    """The runtime of an agent's Job attempts, by the lease that was read last."""

    key: str
    """Identifies the image and the running Ray cluster; another value means that the runtime is not known."""
    version: str
    features: frozenset[str]
    seen_s: float
    """Monotonic seconds at which the lease was read."""
    is_assumed: bool = False
    """True: no lease was read in time, and the success of an attempt is taken for the features that it needed."""

    def is_due(self, now_s: float) -> bool:
        """Return True if one task may find out whether an outdated runtime was replaced."""
        return now_s - self.seen_s >= RETRY_RUNTIME_S


def needed_features(agent: Agent) -> frozenset[str]:
    """Return the features without which a runtime does not honour the agent's settings."""
    models, execution = used_models(agent.spec.llm), agent.spec.execution
    needs = {
        Feature.DEMONSTRATIONS: bool(agent.spec.demonstrations),
        Feature.EXTRA_BODY: any(llm.extra_body for llm in models),
        Feature.OPTIONAL_SAMPLING: any(llm.temperature is None or llm.top_p is None for llm in models),
        Feature.REASONING: any(llm.reasoning is not None for llm in models),
        Feature.SERVE: execution.has_application or (execution.resources is not None and not execution.is_job),
        Feature.STRUCTURED_OUTPUT: any(llm.structured_output != "Auto" for llm in models),
    }
    return frozenset(feature.value for feature, is_needed in needs.items() if is_needed)


def task_features(task: Task) -> frozenset[str]:
    """Return the features that one task needs beside those of its agent's settings."""
    needs = {
        Feature.CUSTOM: task.spec.type == "Custom",
        Feature.DELIBERATION: task.spec.deliberation is not None,
        Feature.PROPOSAL: task.spec.type == "Proposal",
        Feature.TOOLS: task.spec.tools.enabled,
    }
    return frozenset(feature.value for feature, is_needed in needs.items() if is_needed)


@dataclass(frozen=True)
class RuntimeFacts:
    """The runtime that would execute an agent's next attempt."""

    agent: Agent
    image: str
    """Image of the pods of managed Ray clusters whose agents name none."""
    leases: Sequence[Lease]
    """Fresh leases of the agent's executors, for Embedded mode."""
    job: JobRuntime | None
    """The runtime of Job mode; None: not known."""
    now_s: float


def task_runtime(facts: RuntimeFacts, needed: frozenset[str]) -> GateResult | None:
    """Return the wait of a task whose features the runtime lacks; None: it has them, or it is not known.

    In Job mode a task tries an outdated runtime again every RETRY_RUNTIME_S, because the image may have been replaced.
    """
    place, outdated = _place(facts.agent, facts.image), _outdated_worker(facts.leases, needed)
    if not facts.agent.spec.execution.is_job and outdated is not None:
        runtime = f"runtime {outdated.runtime_version} of executor {outdated.submission_id}"
        return _task_waits(f"{place}, {runtime},", needed - set(outdated.features), _remedy(facts.agent))
    job = facts.job
    if not facts.agent.spec.execution.is_job or job is None or job.is_assumed or job.is_due(facts.now_s):
        return None
    missing = needed - job.features
    return _task_waits(f"{place}, runtime {job.version},", missing, _remedy(facts.agent)) if missing else None


def _task_waits(runtime: str, missing: frozenset[str], remedy: str) -> GateResult:
    names = ", ".join(sorted(missing))
    message = f"{runtime} lacks features that this task needs: {names}. The task waits. {remedy}."
    return GateResult(Reason.RUNTIME_OUTDATED, message, recheck_s=RECHECK_LEASES_S)


def _outdated_worker(leases: Iterable[Lease], needed: frozenset[str]) -> Lease | None:
    """Return the lease of a ready worker that lacks a feature; any ready worker may pull the next request."""
    return next((lease for lease in leases if lease.ready and needed - set(lease.features)), None)


def newest_job_lease(leases: Iterable[Lease]) -> Lease | None:
    """Return the lease of the worker in Job mode that started last, None if there is none."""
    return max((lease for lease in leases if lease.mode == "Job"), key=lambda lease: lease.started_at, default=None)


def executor_runtime(agent: Agent, image: str, leases: Sequence[Lease]) -> Condition:
    """Return RuntimeOutdated of an agent in Embedded mode: True if a ready worker lacks a feature.

    Args:
        agent: The agent.
        image: Image of the pods of managed Ray clusters whose agents name none.
        leases: Fresh leases of the agent's executors; any ready worker may pull the next request.
    """
    needed = needed_features(agent)
    outdated = _outdated_worker(leases, needed)
    if outdated is None:
        return RUNTIME_CURRENT
    runtime = f"{_place(agent, image)}, runtime {outdated.runtime_version} of executor {outdated.submission_id},"
    remedy = f"{_remedy(agent)}. If the executor stays, stop its Ray job, and the operator starts another"
    return _outdated(runtime, needed - set(outdated.features), remedy)


def is_runtime_known(agent: Agent, runtime: JobRuntime | None) -> bool:
    """Return True if it is known whether the runtime of Job mode has the features that the agent needs."""
    needed = needed_features(agent)
    if not needed:
        return True
    return runtime is not None and (not runtime.is_assumed or needed <= runtime.features)


def ended_runtime(agent: Agent, known: JobRuntime | None, end: AttemptEnd, key: str, now_s: float) -> JobRuntime | None:
    """Return the runtime of Job mode after the end of an attempt whose lease may not have been read in time.

    A success is taken for the features that the attempt needed. It is no proof: a runtime without them may have
    ignored the settings. So the next lease that is read decides.
    """
    if end.reason == Reason.RUNTIME_OUTDATED:
        return JobRuntime(key, "of an earlier release", frozenset(), now_s)
    if end.outcome is not Outcome.SUCCEEDED or is_runtime_known(agent, known):
        return known
    return JobRuntime(key, "", needed_features(agent), now_s, is_assumed=True)


def job_runtime(agent: Agent, image: str, runtime: JobRuntime | None) -> Condition:
    """Return RuntimeOutdated of an agent in Job mode, by the runtime of its last attempt; None: not known."""
    missing = needed_features(agent) - runtime.features if runtime is not None else frozenset()
    if runtime is None or runtime.is_assumed or not missing:
        return RUNTIME_CURRENT
    remedy = f"{_remedy(agent)}. One task tries every {RETRY_RUNTIME_S:.0f} s"
    return _outdated(f"{_place(agent, image)}, runtime {runtime.version},", missing, remedy)


def _outdated(runtime: str, missing: frozenset[str], remedy: str) -> Condition:
    message = (
        f"{runtime} lacks features that the settings need: {', '.join(sorted(missing))}. The agent's tasks wait. "
        f"{remedy}."
    )
    return Condition.true(AgentCondition.RUNTIME_OUTDATED, Reason.FEATURE_MISSING, message)


def _place(agent: Agent, image: str) -> str:
    ray = agent.spec.ray
    if ray.cluster is not None:
        field = "spec.ray.cluster.image" if ray.cluster.image else "the operator's default"
        return f"The image {ray.cluster.image or image} ({field})"
    if ray.cluster_ref is not None:
        return f"The image of RayCluster {agent.metadata.namespace}/{ray.cluster_ref.name} (spec.ray.clusterRef)"
    return f"The image of the Ray cluster {ray.address} (spec.ray.address)"


def _remedy(agent: Agent) -> str:
    ray = agent.spec.ray
    if ray.cluster is not None and ray.cluster.image:
        return "Set spec.ray.cluster.image to the runtime image of the operator's release, or remove the field"
    if ray.cluster is not None:
        return "Set the operator's runtime image (COGNITIVE_RUNTIME_IMAGE) to that of its release"
    return "Install the runtime image of the operator's release on that Ray cluster"
