"""Trials of a blocked agent: when one of its tasks may start to find out if the cause has gone.

An open circuit, an outdated runtime in Job mode and missing credentials in Job mode block an agent until an
attempt succeeds. Each of them has a backoff of its own, and a trial is due once all that apply allow it.
"""

from dataclasses import dataclass, replace

from cognitive_operator.api.conditions import Condition
from cognitive_operator.plan.agent.conditions import CREDENTIALS_NOT_CHECKED, AgentFacts, agent_conditions
from cognitive_operator.plan.agent.features import RUNTIME_CURRENT, JobRuntime
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.plan.backoff import exponential_s


@dataclass(frozen=True)
class CredentialsFacts:
    """Result of the last attempt in Job mode that could tell if credentials and broker are there."""

    condition: Condition
    """ExecutorReady; False: the attempt found no credentials, or did not reach the broker."""
    found_at_s: float
    """Monotonic seconds at which the attempt's end was read."""
    failures: int
    """Consecutive trials that found no credentials or no broker."""
    first_backoff_s: float
    """Seconds after the first failure before a trial is due; they double with each further one."""
    max_backoff_s: float


@dataclass(frozen=True)
class TrialFacts:
    """Everything that the trial of a blocked agent depends on."""

    is_job: bool
    """True: the agent runs in Job mode."""
    running: int
    """Number of the agent's running tasks."""
    waiting: int
    """Number of the agent's admitted tasks that do not run."""
    open_circuit: OpenCircuit | None
    is_outdated: bool
    """True: the condition RuntimeOutdated is True."""
    runtime: JobRuntime | None
    """The runtime of Job mode; None: not known."""
    credentials: CredentialsFacts
    now_s: float
    """Monotonic seconds."""


def is_trial_due(facts: TrialFacts) -> bool:
    """Return True if the open circuit, the outdated runtime and the missing credentials each let one task try now.

    Without any of them there is no cause to try, and the result is False.
    """
    lacks_credentials = credentials_condition(facts).is_false
    if facts.is_outdated and not _is_runtime_trial_due(facts):
        return False
    if lacks_credentials and not _is_credentials_trial_due(facts):
        return False
    if facts.open_circuit is not None:
        return facts.open_circuit.is_due(facts.now_s)
    return facts.is_outdated or lacks_credentials


def may_try(facts: AgentFacts) -> bool:
    """Return True if one task may start although the agent is blocked: its result decides if the others may."""
    others = replace(facts, open_circuit=None, runtime=RUNTIME_CURRENT, credentials=CREDENTIALS_NOT_CHECKED)
    return facts.is_trial_due and agent_conditions(others)[0].is_true


def credentials_condition(facts: TrialFacts) -> Condition:
    """Return ExecutorReady by the last attempt in Job mode.

    It expires in Embedded mode, and once a trial is due and no task is left that could try.
    """
    is_expired = not facts.waiting and _is_credentials_trial_due(facts)
    return CREDENTIALS_NOT_CHECKED if is_expired or not facts.is_job else facts.credentials.condition


def renewed_circuit(circuit: OpenCircuit | None, *, has_other_tasks: bool) -> OpenCircuit | None:
    """Return the open circuit under which the tasks that have tried may try again; None: it does not change.

    Args:
        circuit: The agent's open circuit, if it has one.
        has_other_tasks: True while a task waits in the queue that has not tried under this circuit.
    """
    if circuit is None or not circuit.tried or has_other_tasks:
        return None
    return replace(circuit, tried=frozenset())


def _is_credentials_trial_due(facts: TrialFacts) -> bool:
    """Return True if one task may find out whether attempts now find credentials and broker."""
    found = facts.credentials
    backoff_s = exponential_s(found.first_backoff_s, found.failures - 1, found.max_backoff_s)
    return facts.now_s - found.found_at_s > backoff_s and not facts.running


def _is_runtime_trial_due(facts: TrialFacts) -> bool:
    """Return True if an attempt in Job mode may find out whether the runtime was replaced."""
    is_idle_job = facts.is_job and not facts.running
    return is_idle_job and facts.runtime is not None and facts.runtime.is_due(facts.now_s)
