"""Circuit breaker of an agent's queue, for errors that every other task would meet.

An agent whose key is refused, whose quota is used up or whose model's inference fails would burn its queue: each task
would fail in turn. The ends of attempts open the circuit. While it is open, no attempt starts; after a pause it is
half-open, and one task tries. The success of that task closes it, and so does a change of the settings. Users read that
the agent's queue is held.
"""

from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Reason
from cognitive_operator.api.llm import ServedModel
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.variants import varied_agent
from cognitive_operator.plan.agent.model.failure_row import FailureRow, has_model_answered
from cognitive_operator.plan.attempt.in_flight import CIRCUIT_OPENING, MODEL_FAILURES, AttemptEnd
from cognitive_operator.plan.backoff import exponential_s
from cognitive_operator.ports.kube import Body

FIRST_TRIAL_S: Final = 30.0
MAX_TRIAL_S: Final = 300.0
"""Pauses before one task tries: the first one, and the longest one after doublings."""
_REPORT_CHARS: Final = 300


@dataclass(frozen=True)
class OpenCircuit:
    """An open circuit, half-open while ``trial`` is set, with the schedule of the single tasks that try."""

    reason: Reason
    message: str
    trial_at_s: float
    """Monotonic seconds from which one task may try."""
    failed_trials: int = 0
    trial: str | None = None
    """UID of the task that tries now."""
    tried: frozenset[str] = frozenset()
    """UIDs of tasks whose try did not close the circuit; others try first, since the cause may lie in the task."""
    keys: str | None = None
    """Digest of the agent's API keys when the circuit opened; None: not read yet."""

    @property
    def condition(self) -> Condition:
        """ModelReady, False."""
        return Condition.false(AgentCondition.MODEL_READY, self.reason, self.message)

    @property
    def pause_s(self) -> float:
        """Seconds between the last try and the next one."""
        return exponential_s(FIRST_TRIAL_S, self.failed_trials, MAX_TRIAL_S)

    def is_due(self, now_s: float) -> bool:
        """Return True if a task may try now."""
        return self.trial is None and now_s >= self.trial_at_s

    def half_open(self, uid: str) -> "OpenCircuit":
        """Return the circuit while a task tries."""
        return replace(self, trial=uid)

    def reopened(self, now_s: float) -> "OpenCircuit":
        """Return the circuit after a try that proved nothing: open until the next one."""
        tried = self.tried | ({self.trial} if self.trial is not None else set())
        return replace(self, trial=None, tried=tried, trial_at_s=now_s + self.pause_s)


def opened_by_error(agent: Agent, end: AttemptEnd, now_s: float) -> OpenCircuit | None:
    """Return the circuit that the error of one attempt opens, None if it opens none."""
    if end.reason not in CIRCUIT_OPENING:
        return None
    reason = Reason(end.reason)
    return OpenCircuit(reason, _message(agent, reason, end), now_s + FIRST_TRIAL_S)


def opened_by_outage(agent: Agent, row: FailureRow, end: AttemptEnd, now_s: float) -> OpenCircuit | None:
    """Return the circuit that failures in a row open, the last of which is ``end``; None while the row is too short."""
    if not row.is_outage:
        return None
    return OpenCircuit(Reason.INFERENCE_FAILING, _message(agent, Reason.INFERENCE_FAILING, end), now_s + FIRST_TRIAL_S)


def circuit_in_status(body: Body) -> OpenCircuit | None:
    """Return the circuit of failing inference that an agent's status reports; one task may try at once.

    An earlier process has opened it. A condition of an earlier spec opens no circuit.
    """
    conditions = (body.get("status") or {}).get("conditions") or ()
    found = next((each for each in conditions if each.get("type") == AgentCondition.MODEL_READY), Body())
    is_present = found.get("observedGeneration") == body["metadata"].get("generation")
    if found.get("status") != "False" or found.get("reason") != Reason.INFERENCE_FAILING or not is_present:
        return None
    return OpenCircuit(Reason.INFERENCE_FAILING, str(found.get("message", "")), float("-inf"))


def circuit_after_trial(agent: Agent, circuit: OpenCircuit, end: AttemptEnd, now_s: float) -> OpenCircuit | None:
    """Return the circuit after the end of the task that tried; None: it succeeded, and the circuit is closed.

    A cause that opens circuits takes the place of the circuit's own. A result from the cache proves nothing, and the
    next task may try at once. Any other end proves neither that the model works nor that it does not.
    """
    if has_model_answered(end):
        return None
    if end.outcome is Outcome.SUCCEEDED:
        return replace(circuit, trial=None, trial_at_s=now_s)
    fails_again = circuit.reason == Reason.INFERENCE_FAILING and end.reason in MODEL_FAILURES
    if end.reason not in CIRCUIT_OPENING and not fails_again:
        return circuit.reopened(now_s)
    reason = circuit.reason if fails_again else Reason(end.reason)
    failed = replace(
        circuit, reason=reason, message=_message(agent, reason, end), failed_trials=circuit.failed_trials + 1
    )
    return failed.reopened(now_s)


def _message(agent: Agent, reason: Reason, end: AttemptEnd) -> str:
    variant = end.response.variant if end.response else None
    varied = varied_agent(agent, variant)
    place = "spec.llm" if varied is agent else f"variant {variant} of spec.llm.variants"
    agent, served = varied, _served(varied, end)
    report = f" The executor reports: {end.message[:_REPORT_CHARS].rstrip('.')}." if end.message else ""
    cause = _failing(agent, end) if reason == Reason.INFERENCE_FAILING else _cause(agent, served, reason, place)
    return (
        f"{cause} The agent's tasks wait; one tries after {FIRST_TRIAL_S:.0f} s, then at "
        f"intervals up to {MAX_TRIAL_S:.0f} s, and all continue when it succeeds, or when the Secret or spec.llm "
        f"changes.{report}"
    )


def _cause(agent: Agent, served: ServedModel, reason: Reason, place: str) -> str:
    ref = served.api_key_secret_ref
    secret = f"Secret {agent.metadata.namespace}/{ref.name} (key {ref.key})" if ref else ""
    if reason == Reason.QUOTA_EXCEEDED:
        account = f" of the key in {secret}" if secret else ""
        return f"{served.url} reports that the quota{account} is used up: raise the quota or use another key or model."
    if secret:
        return f"{served.url} refuses the API key that executors use: correct {secret}, or the file that they read."
    return f"{served.url} refuses calls without an API key: name a Secret with one in {_key_field(place)}."


def _key_field(place: str) -> str:
    return f"{place}.apiKeySecretRef" if place == "spec.llm" else f"apiKeySecretRef of {place}"


def _failing(agent: Agent, end: AttemptEnd) -> str:
    llm = agent.spec.llm
    fallbacks = f" The fallbacks fail, too: {', '.join(each.url for each in llm.fallbacks)}." if llm.fallbacks else ""
    return (
        f"{llm.url} does not complete calls of model {llm.model!r}: attempts of several tasks failed in a row, the "
        f"last with {end.reason}.{fallbacks} Check the log and the load of the model server, or name another model or "
        "a fallback in spec.llm."
    )


def _served(agent: Agent, end: AttemptEnd) -> ServedModel:
    """Return the model that the response names, or else the agent's first model."""
    llm, endpoint = agent.spec.llm, end.response.endpoint if end.response else None
    return next((each for each in (llm, *llm.fallbacks) if each.url == endpoint), llm)
