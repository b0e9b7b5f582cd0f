"""Conditions of an agent, computed from ordered checks of its dependencies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.bounds import clean_text, is_condition_reason
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason, TaskCondition, as_sentence
from cognitive_operator.api.llm import ServedModel
from cognitive_operator.api.providers import PUBLIC_ENDPOINTS
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.features import RUNTIME_CURRENT
from cognitive_operator.plan.agent.ray.cluster_secret import NO_CLUSTER_SECRET, ClusterSecret, with_cluster_secret
from cognitive_operator.plan.agent.ray.warm_slots import idle_slots, slots_message, starts_or_waits
from cognitive_operator.plan.agent.settings import check_settings
from cognitive_operator.plan.mounts import mount_advice
from cognitive_operator.ports.kube import Body, KubeEvent
from cognitive_operator.ports.model import ModelProbeResult, ModelTarget

MODEL_NOT_CHECKED: Final = Condition.unknown(AgentCondition.MODEL_READY, Reason.NOT_CHECKED, "Not checked yet.")
CREDENTIALS_NOT_CHECKED: Final = MODEL_NOT_CHECKED.with_type(AgentCondition.EXECUTOR_READY)
TOKENS_UNLIMITED: Final = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "No token budget is set.")
STARTING: Final = (
    Reason.EXECUTOR_STARTING,
    Reason.NOT_CHECKED,
    Reason.RAY_STARTING,
    Reason.RAY_UPDATING,
    Reason.MODEL_STARTING,
)
"""Reasons that normally disappear without any action."""
NOT_OBSERVED: Final = Condition.false(
    TaskCondition.DISPATCHED, Reason.AGENT_NOT_READY, "The operator has not reconciled the agent yet."
)
"""Blocker of an agent's tasks before the agent's first reconciliation."""


SHOWN_CHARS: Final = 128
"""Longest name of a served model in a message."""


@dataclass(frozen=True)
class ObservedExecutor:
    """The executor of an agent as last observed."""

    current: str | None
    """Submission id of the job that should run."""
    failure: str | None
    """Ray's message about the last job that ended."""
    leases: tuple[Lease, ...]
    """Fresh leases of the workers of the agent's executors, the current one and those that it replaces."""
    problem: Condition | None = None
    """ExecutorReady, False, if the job's end or its log tells why no worker reports."""

    def without_replaced(self) -> "ObservedExecutor":
        """Return the executor with the leases of the current job alone."""
        return replace(self, leases=tuple(lease for lease in self.leases if lease.submission_id == self.current))


NO_EXECUTOR: Final = ObservedExecutor(None, None, ())


@dataclass(frozen=True)
class AgentFacts:
    """Everything that the conditions of an agent depend on."""

    agent: Agent
    broker: Condition
    ray: Condition
    model: Condition
    executor: ObservedExecutor
    credentials: Condition
    """False after an attempt in Job mode found no credentials, or did not reach the broker."""
    spent_energy: float = 0.0
    tokens: Condition = TOKENS_UNLIMITED
    """False when the agent has used up the tokens of its day."""
    open_circuit: Condition | None = None
    """ModelReady, False, while the agent's circuit is open; None: it is closed."""
    runtime: Condition = RUNTIME_CURRENT
    """RuntimeOutdated."""
    tools: Condition | None = None
    """ToolsReady; None: the agent has no tools. Ready does not depend on it: other tasks need no tools."""
    secret: ClusterSecret = NO_CLUSTER_SECRET
    now_s: float = 0.0
    """Monotonic seconds."""
    ray_jobs: int | None = None
    """Maximum concurrent attempts of the agents in Job mode on the Ray cluster; read in Job mode alone."""
    is_trial_due: bool = False
    """True: the open circuit, or in Job mode the outdated runtime or the credentials, let one task try now."""


def agent_conditions(facts: AgentFacts) -> list[Condition]:
    """Return the agent's conditions; Ready takes its reason from the first one that does not hold."""
    model = facts.open_circuit if facts.open_circuit is not None and facts.model.is_true else facts.model
    needed = [facts.ray, model, _executor(facts)]
    parts = [*needed, facts.runtime, *([facts.tools] if facts.tools is not None else [])]
    spent = [check_energy(facts.agent, facts.spent_energy), facts.tokens]
    settings = check_settings(facts.agent) or _fits(facts.runtime)
    checks = [_suspension(facts.agent), *spent, facts.broker, *needed, settings]
    first = next((c for c in checks if not c.is_true), None)
    if first is None:
        return [Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The agent accepts tasks."), *parts]
    not_true = Condition.false if any(c.is_false for c in checks) else Condition.unknown
    return [not_true(AgentCondition.READY, first.reason, first.message), *parts]


def is_starting(conditions: Sequence[Condition]) -> bool:
    """Return True while a condition has a reason that normally disappears without any action."""
    return any(condition.reason in STARTING for condition in conditions)


def ready_event(old: Sequence[Body], ready: Condition) -> KubeEvent | None:
    """Return the Event about a change of Ready's status or reason; None: unchanged, or its reason is in STARTING.

    Args:
        old: The conditions of the status before the write.
        ready: The condition Ready as it was written.
    """
    before = next((c for c in old if c["type"] == AgentCondition.READY), Body())
    if (before.get("status"), before.get("reason")) == (ready.status, ready.reason) or ready.reason in STARTING:
        return None
    return KubeEvent("Normal" if ready.is_true else "Warning", ready.reason, ready.message)


def has_moved(ray: Condition, executor: ObservedExecutor, running: int) -> bool:
    """Return True once all attempts and executors of an agent are on the Ray cluster of its present spec.

    Args:
        ray: The condition RayReady of the present cluster.
        executor: The agent's executor.
        running: Number of the agent's running tasks.
    """
    if not running:
        return ray.is_true
    leases = executor.leases
    return any(x.ready for x in leases) and all(x.submission_id == executor.current for x in leases)


def dispatch_blocker(conditions: Sequence[Condition], agent: Agent) -> Condition | None:
    """Return Dispatched of the agent's waiting tasks: False while the agent is not Ready, otherwise None."""
    ready = next(c for c in conditions if c.type == AgentCondition.READY)
    if ready.is_true:
        return None
    if ready.reason in (Reason.ENERGY_EXHAUSTED, Reason.BUDGET_EXHAUSTED):
        return budget_blocker(agent, ready)
    name = f"{agent.metadata.namespace}/{agent.metadata.name}"
    if ready.reason == Reason.RUNTIME_OUTDATED:
        return Condition.false(TaskCondition.DISPATCHED, ready.reason, f"CognitiveAgent {name}: {ready.message}")
    if ready.reason == Reason.SUSPENDED:
        message = f"CognitiveAgent {name} is suspended: {ready.message}"
        return Condition.false(TaskCondition.DISPATCHED, Reason.AGENT_SUSPENDED, message)
    return not_ready_blocker(agent, ready)


def not_ready_blocker(agent: Agent, condition: Condition) -> Condition:
    """Return Dispatched, False, of the tasks that wait because of an agent's condition."""
    name = f"{agent.metadata.namespace}/{agent.metadata.name}"
    message = f"CognitiveAgent {name} is not ready ({condition.reason}): {condition.message}"
    return Condition.false(TaskCondition.DISPATCHED, Reason.AGENT_NOT_READY, message)


def _fits(runtime: Condition) -> Condition:
    """Return a condition that is False while the runtime is outdated."""
    if runtime.is_true:
        return Condition.false(AgentCondition.READY, Reason.RUNTIME_OUTDATED, runtime.message)
    return Condition.true(AgentCondition.READY, Reason.AVAILABLE, runtime.message)


def _suspension(agent: Agent) -> Condition:
    if not agent.spec.suspend:
        return Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The agent is not suspended.")
    message = "spec.suspend is true: running attempts finish; no new ones start."
    return Condition.false(AgentCondition.READY, Reason.SUSPENDED, message)


def check_energy(agent: Agent, spent: float) -> Condition:
    """Return the Ready condition: False once the agent has used up its energy budget, otherwise True."""
    budget = agent.spec.energy.budget
    if budget is None:
        return Condition.true(AgentCondition.READY, Reason.AVAILABLE, "No energy budget is set.")
    if spent < budget:
        return Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The energy budget is not used up.")
    message = f"The agent has used {spent:g} of spec.energy.budget {budget:g}; no attempts start until you raise it."
    return Condition.false(AgentCondition.READY, Reason.ENERGY_EXHAUSTED, message)


def budget_blocker(agent: Agent, exhausted: Condition) -> Condition:
    """Return Dispatched, False, of the tasks that wait for an agent whose energy or tokens are used up."""
    name = f"{agent.metadata.namespace}/{agent.metadata.name}"
    return Condition.false(TaskCondition.DISPATCHED, exhausted.reason, f"CognitiveAgent {name}: {exhausted.message}")


def _executor(facts: AgentFacts) -> Condition:
    return with_cluster_secret(_executor_alone(facts), facts.agent, facts.secret, facts.now_s)


def _executor_alone(facts: AgentFacts) -> Condition:
    if facts.agent.spec.execution.is_job:
        if facts.credentials.is_false:
            return facts.credentials
        return _follow(facts.ray) or _ready(Reason.JOB_PER_ATTEMPT, _job_message(facts))
    ready = [lease for lease in facts.executor.leases if lease.ready]
    if ready:
        wanted = facts.agent.spec.execution.workers
        return _ready(Reason.AVAILABLE, f"{len(ready)} of {wanted} workers are ready.")
    return _follow(facts.broker) or _follow(facts.ray) or _starting_or_failed(facts.agent, facts.executor)


def _job_message(facts: AgentFacts) -> str:
    if facts.agent.spec.execution.warm_slots:
        executor = facts.executor.without_replaced()
        message = slots_message(facts.agent, executor.leases, _starting_or_failed(facts.agent, executor).message)
        return message + idle_slots(facts.agent, facts.ray_jobs)
    return "Each attempt runs as its own Ray job."


def _follow(other: Condition) -> Condition | None:
    """Return the ExecutorReady condition: Unknown while a condition that it depends on is not True, otherwise None."""
    return None if other.is_true else Condition.unknown(AgentCondition.EXECUTOR_READY, other.reason, other.message)


def _ready(reason: Reason, message: str) -> Condition:
    return Condition.true(AgentCondition.EXECUTOR_READY, reason, message)


def _starting_or_failed(agent: Agent, executor: ObservedExecutor) -> Condition:
    unready = next((lease for lease in executor.leases if lease.reason), None)
    if unready is not None:
        message = unready.message or "A worker is not ready."
        if unready.reason == Reason.CREDENTIALS_NOT_MOUNTED:
            message = f"{as_sentence(message)} {mount_advice(agent)}"
        return _unready(str(unready.reason), message)
    if executor.problem is not None:
        return executor.problem
    if executor.failure is not None:
        return _not_ready(Reason.EXECUTOR_FAILED, f"The executor's Ray job ended: {executor.failure}")
    where = f"Ray job {executor.current}" if executor.current else "The executor's Ray job"
    message = f"{where} {starts_or_waits(agent)}; no worker has reported yet."
    return _not_ready(Reason.EXECUTOR_STARTING, message)


def _unready(reason: str, message: str) -> Condition:
    """Return the ExecutorReady condition for the reason and the message of a worker's lease."""
    if is_condition_reason(reason):
        return _not_ready(reason, message)
    return _not_ready(Reason.EXECUTOR_FAILED, f"A worker reports the invalid reason {reason!r}: {message}")


def _not_ready(reason: str, message: str) -> Condition:
    return Condition.false(AgentCondition.EXECUTOR_READY, reason, message)


def check_model(agent: Agent, ok: bool, reason: str, message: str, models: Sequence[str]) -> Condition:
    """Return the ModelReady condition for the answer of the endpoint of ``spec.llm``; see ``check_served``."""
    return check_served(agent.spec.llm, ModelProbeResult(ok, reason, message, tuple(models)))


def check_served(llm: ServedModel, answer: ModelProbeResult, place: str = "spec.llm") -> Condition:
    """Return the ModelReady condition for the answer of a model endpoint; ``place`` is the field with the model.

    A vLLM server rejects a model that it does not serve; other servers may accept aliases that they do not list.
    """
    ok, message, models = answer.ok, answer.message, answer.models
    is_listed = not models or llm.model in models or f"models/{llm.model}" in models  # Google's own spelling
    if ok and llm.provider == "vllm" and not is_listed:
        served = ", ".join(clean_text(model, SHOWN_CHARS) for model in models[:5])
        message = f"{llm.url} does not serve {place}.model {llm.model!r}; it serves {served}."
        return Condition.false(AgentCondition.MODEL_READY, Reason.MODEL_NOT_SERVED, message)
    if ok and llm.provider in PUBLIC_ENDPOINTS and not is_listed:
        message += f"; {place}.model {llm.model!r} is not listed; ignore this if it is an alias"
    if answer.reason == Reason.MODEL_UNREACHABLE:
        message = (
            f"{as_sentence(message)} Check that server and the network from the operator to it, or change {place}."
        )
    return Condition(AgentCondition.MODEL_READY, "True" if ok else "False", answer.reason, message)


def target_of(served: ServedModel) -> ModelTarget:
    """Return the API that serves a model."""
    return ModelTarget(served.url, served.provider, served.api_version)
