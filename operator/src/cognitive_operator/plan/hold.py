"""Holds of an agent's queue: no attempt starts until one task has tried, and succeeded.

An agent whose key is refused, or whose quota is used up, would burn its queue: each task would fail in turn. A hold is
opened by the end of an attempt and closed by the success of a single task that tries, or by a change of the settings.
"""

from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Reason
from cognitive_operator.api.llm import ServedModel
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.in_flight import HOLDING, AttemptEnd

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
    keys: str | None = None
    """Digest of the agent's API keys when the hold began; None: not read yet."""

    @property
    def condition(self) -> Condition:
        """ModelReady, False."""
        return Condition.false(AgentCondition.MODEL_READY, self.reason, self.message)

    @property
    def pause_s(self) -> float:
        """Seconds between the last try and the next one."""
        return min(MAX_TRIAL_S, FIRST_TRIAL_S * 2.0**self.failed_trials)

    def is_due(self, now_s: float) -> bool:
        """Return True if a task may try now."""
        return self.trial is None and now_s >= self.trial_at_s

    def tried_by(self, uid: str) -> "Hold":
        """Return the hold while a task tries."""
        return replace(self, trial=uid)

    def put_off(self, now_s: float) -> "Hold":
        """Return the hold after a try that proved nothing."""
        return replace(self, trial=None, trial_at_s=now_s + self.pause_s)


def opened_hold(agent: Agent, end: AttemptEnd, now_s: float) -> Hold | None:
    """Return the hold that the end of an attempt begins, None if it begins none."""
    if end.reason not in HOLDING:
        return None
    reason = Reason(end.reason)
    return Hold(reason, _message(agent, reason, end), now_s + FIRST_TRIAL_S)


def hold_after_trial(agent: Agent, hold: Hold, end: AttemptEnd, now_s: float) -> Hold | None:
    """Return the hold after the end of the task that tried; None: it succeeded, and the queue opens.

    A cause that holds queues takes the place of the hold's own. Any other end proves neither that the model works nor
    that it does not.
    """
    if end.outcome is Outcome.SUCCEEDED:
        return None
    if end.reason not in HOLDING:
        return hold.put_off(now_s)
    reason = Reason(end.reason)
    failed = replace(hold, reason=reason, message=_message(agent, reason, end), failed_trials=hold.failed_trials + 1)
    return failed.put_off(now_s)


def _message(agent: Agent, reason: Reason, end: AttemptEnd) -> str:
    served = _served(agent, end)
    report = f" The executor reports: {end.message[:_REPORT_CHARS].rstrip('.')}." if end.message else ""
    return (
        f"{_cause(agent, served, reason)} The agent's tasks wait; one tries after {FIRST_TRIAL_S:.0f} s, then at "
        f"intervals up to {MAX_TRIAL_S:.0f} s, and all continue when it succeeds, or when the Secret or spec.llm "
        f"changes.{report}"
    )


def _cause(agent: Agent, served: ServedModel, reason: Reason) -> str:
    ref = served.api_key_secret_ref
    secret = f"Secret {agent.metadata.namespace}/{ref.name} (key {ref.key})" if ref else ""
    if reason == Reason.QUOTA_EXCEEDED:
        account = f" of the key in {secret}" if secret else ""
        return f"{served.url} reports that the quota{account} is used up: raise the quota or use another key or model."
    if secret:
        return f"{served.url} refuses the API key that executors use: correct {secret}, or the file that they read."
    return f"{served.url} refuses calls without an API key: name a Secret with one in spec.llm.apiKeySecretRef."


def _served(agent: Agent, end: AttemptEnd) -> ServedModel:
    """Return the model that the response names, or else the agent's first model."""
    llm, endpoint = agent.spec.llm, end.response.endpoint if end.response else None
    return next((each for each in (llm, *llm.fallbacks) if each.url == endpoint), llm)
