"""Whether an agent can take tasks, and why not: an ordered list of checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.api.llm import ServedModel
from cognitive_operator.api.providers import PUBLIC_ENDPOINTS
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.task import Blocker
from cognitive_operator.ports.model import ModelTarget
from cognitive_operator.status.conditions import Verdict


@dataclass(frozen=True)
class Check:
    """What a look at one thing that an agent needs has found."""

    status: str
    """True, False or Unknown."""
    reason: str
    message: str


UNCHECKED: Final = Check("Unknown", Reason.NOT_CHECKED, "Not checked yet.")


@dataclass(frozen=True)
class ObservedExecutor:
    """What was seen of an agent's executor."""

    current: str | None
    """Submission id of the job that should run."""
    failure: str | None
    """Ray's message about the last one that ended."""
    leases: tuple[Lease, ...]
    """Fresh leases of the current job's workers."""


@dataclass(frozen=True)
class AgentFacts:
    """What was observed about an agent."""

    agent: Agent
    broker: Check
    ray: Check
    model: Check
    executor: ObservedExecutor
    credentials: Check
    """False after an attempt in Job mode found no credentials."""
    spent_energy: float = 0.0
    tokens: Check = Check("True", Reason.AVAILABLE, "There is no bound.")
    """Whether the agent has tokens left today."""


def agent_verdicts(facts: AgentFacts) -> list[Verdict]:
    """Return the agent's conditions; Ready takes its reason from the first one that is not True."""
    executor = _executor(facts)
    parts = [
        Verdict(AgentCondition.RAY_READY, facts.ray.status, facts.ray.reason, facts.ray.message),
        Verdict(AgentCondition.MODEL_READY, facts.model.status, facts.model.reason, facts.model.message),
        Verdict(AgentCondition.EXECUTOR_READY, executor.status, executor.reason, executor.message),
    ]
    checks = [_suspension(facts.agent), _energy(facts), facts.tokens, facts.broker, facts.ray, facts.model, executor]
    first = next((c for c in checks if c.status != "True"), None)
    if first is None:
        return [Verdict(AgentCondition.READY, "True", Reason.AVAILABLE, "The agent takes tasks."), *parts]
    status = "False" if any(c.status == "False" for c in checks) else "Unknown"
    return [Verdict(AgentCondition.READY, status, first.reason, first.message), *parts]


def blocker_of(verdicts: Sequence[Verdict], agent: Agent) -> Blocker | None:
    """Return why the agent's tasks wait, None if they need not."""
    ready = next(v for v in verdicts if v.type == AgentCondition.READY)
    if ready.status == "True":
        return None
    if ready.reason in (Reason.ENERGY_EXHAUSTED, Reason.BUDGET_EXHAUSTED):
        return budget_blocker(agent, ready)
    name = f"{agent.metadata.namespace}/{agent.metadata.name}"
    if ready.reason == Reason.SUSPENDED:
        return Blocker(Reason.AGENT_SUSPENDED, f"CognitiveAgent {name} is suspended: {ready.message}")
    return Blocker(Reason.AGENT_NOT_READY, f"CognitiveAgent {name} is not ready: {ready.reason}: {ready.message}")


def _suspension(agent: Agent) -> Check:
    if not agent.spec.suspend:
        return Check("True", Reason.AVAILABLE, "The agent is not suspended.")
    return Check("False", Reason.SUSPENDED, "spec.suspend is true: what runs ends, and no further attempt is begun.")


def energy_check(agent: Agent, spent: float) -> Check:
    """Judge whether the agent may spend more energy."""
    budget = agent.spec.energy.budget
    if budget is None or spent < budget:
        return Check("True", Reason.AVAILABLE, "There is energy left.")
    message = f"its attempts have cost {spent:g}, and spec.energy.budget is {budget:g}; no further attempt is begun."
    return Check("False", Reason.ENERGY_EXHAUSTED, message)


def budget_blocker(agent: Agent, verdict: Check | Verdict) -> Blocker:
    """Return why the tasks of an agent that has used up its energy or its tokens wait."""
    name = f"{agent.metadata.namespace}/{agent.metadata.name}"
    return Blocker(verdict.reason, f"CognitiveAgent {name}: {verdict.message}")


def _energy(facts: AgentFacts) -> Check:
    return energy_check(facts.agent, facts.spent_energy)


def _executor(facts: AgentFacts) -> Check:
    if facts.agent.spec.execution.mode == "Job":
        if facts.credentials.status == "False":
            return facts.credentials
        return _follow(facts.ray) or Check("True", Reason.JOB_PER_ATTEMPT, "Every attempt is a Ray job of its own.")
    ready = [lease for lease in facts.executor.leases if lease.ready]
    if ready:
        wanted = facts.agent.spec.execution.workers
        return Check("True", Reason.AVAILABLE, f"{len(ready)} of {wanted} workers take requests.")
    return _follow(facts.broker) or _follow(facts.ray) or _not_ready(facts.executor)


def _follow(check: Check) -> Check | None:
    return None if check.status == "True" else Check("Unknown", check.reason, check.message)


def _not_ready(seen: ObservedExecutor) -> Check:
    troubled = next((lease for lease in seen.leases if lease.reason), None)
    if troubled is not None:
        return Check("False", str(troubled.reason), troubled.message or "A worker is not ready.")
    if seen.failure is not None:
        return Check("False", Reason.EXECUTOR_FAILED, f"The executor's Ray job ended: {seen.failure}")
    where = f"Ray job {seen.current}" if seen.current else "The executor's Ray job"
    return Check("False", Reason.EXECUTOR_STARTING, f"{where} is starting; no worker has reported yet.")


def model_check(agent: Agent, ok: bool, reason: str, message: str, models: Sequence[str]) -> Check:
    """Judge what the model endpoint answered.

    A vLLM server refuses a model that it does not serve; other servers may know aliases that they do not list.
    """
    llm = agent.spec.llm
    is_listed = not models or llm.model in models or f"models/{llm.model}" in models  # Google's own spelling
    if ok and llm.provider == "vllm" and not is_listed:
        served = ", ".join(models[:5])
        message = f"spec.llm.model is {llm.model!r}, but {llm.url} serves {served}."
        return Check("False", Reason.MODEL_NOT_SERVED, message)
    if ok and llm.provider in PUBLIC_ENDPOINTS and not is_listed:
        message += f"; spec.llm.model {llm.model!r} is not among them, unless it is an alias"
    return Check("True" if ok else "False", reason, message)


def target_of(served: ServedModel) -> ModelTarget:
    """Return which API an agent's model is asked for at."""
    return ModelTarget(served.url, served.provider, served.api_version)
