"""Holds of an agent's queue: no attempt starts until one task has tried, and succeeded.

An agent whose key is refused, whose quota is used up or whose model's inference fails would burn its queue: each task
would fail in turn. A hold is opened by the ends of attempts and closed by the success of a single task that tries, or
by a change of the settings.
"""

from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Reason
from cognitive_operator.api.llm import ServedModel
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.variants import varied_agent
from cognitive_operator.plan.agent.failure_row import FailureRow, has_model_answered
from cognitive_operator.plan.attempt.in_flight import HOLDING, MODEL_FAILURES, AttemptEnd
from cognitive_operator.plan.backoff import exponential_s
from cognitive_operator.ports.kube import Body

FIRST_TRIAL_S: Final = 30.0
MAX_TRIAL_S: Final = 300.0
"""Pauses before one task tries: the first one, and the longest one after doublings."""
_REPORT_CHARS: Final = 300


@dataclass(frozen=True)
class Hold:
    """A closed queue, and the schedule of the single tasks that try."""

    reason: Reason
    message: str
    trial_at_s: float
    """Monotonic seconds from which one task may try."""
    failed_trials: int = 0
    trial: str | None = None
    """UID of the task that tries now."""
    tried: frozenset[str] = frozenset()
    """UIDs of tasks whose try did not end the hold; others try first, since the cause may lie in the task."""
    keys: str | None = None
    """Digest of the agent's API keys when the hold began; None: not read yet."""

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

    def tried_by(self, uid: str) -> "Hold":
        """Return the hold while a task tries."""
        return replace(self, trial=uid)

    def put_off(self, now_s: float) -> "Hold":
        """Return the hold after a try that proved nothing."""
        tried = self.tried | ({self.trial} if self.trial is not None else set())
        return replace(self, trial=None, tried=tried, trial_at_s=now_s + self.pause_s)


def opened_hold(agent: Agent, end: AttemptEnd, now_s: float) -> Hold | None:
    """Return the hold that the end of an attempt begins, None if it begins none."""
    if end.reason not in HOLDING:
        return None
    reason = Reason(end.reason)
    return Hold(reason, _message(agent, reason, end), now_s + FIRST_TRIAL_S)


def outage_hold(agent: Agent, row: FailureRow, end: AttemptEnd, now_s: float) -> Hold | None:
    """Return the hold that failures in a row begin, the last of which is ``end``; None while the row is too short."""
    if not row.is_outage:
        return None
    return Hold(Reason.INFERENCE_FAILING, _message(agent, Reason.INFERENCE_FAILING, end), now_s + FIRST_TRIAL_S)


def hold_in_status(body: Body) -> Hold | None:
    """Return the hold of failing inference in an agent's status, by an earlier process; one task may try at once.

    A condition of an earlier spec begins no hold.
    """
    conditions = (body.get("status") or {}).get("conditions") or ()
    found = next((each for each in conditions if each.get("type") == AgentCondition.MODEL_READY), Body())
    is_present = found.get("observedGeneration") == body["metadata"].get("generation")
    if found.get("status") != "False" or found.get("reason") != Reason.INFERENCE_FAILING or not is_present:
        return None
    return Hold(Reason.INFERENCE_FAILING, str(found.get("message", "")), float("-inf"))


def hold_after_trial(agent: Agent, hold: Hold, end: AttemptEnd, now_s: float) -> Hold | None:
    """Return the hold after the end of the task that tried; None: it succeeded, and the queue opens.

    A cause that holds queues takes the place of the hold's own. A result from the cache proves nothing, and the next
    task may try at once. Any other end proves neither that the model works nor that it does not.
    """
    if has_model_answered(end):
        return None
    if end.outcome is Outcome.SUCCEEDED:
        return replace(hold, trial=None, trial_at_s=now_s)
    fails_again = hold.reason == Reason.INFERENCE_FAILING and end.reason in MODEL_FAILURES
    if end.reason not in HOLDING and not fails_again:
        return hold.put_off(now_s)
    reason = hold.reason if fails_again else Reason(end.reason)
    failed = replace(hold, reason=reason, message=_message(agent, reason, end), failed_trials=hold.failed_trials + 1)
    return failed.put_off(now_s)


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
