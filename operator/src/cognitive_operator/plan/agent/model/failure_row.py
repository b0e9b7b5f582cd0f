"""Failures of a model's inference in a row, by tasks of one agent: they open its circuit and use up no retry."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import Outcome
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Attempt, RetryPolicy
from cognitive_operator.api.wire import Completed
from cognitive_operator.plan.attempt.in_flight import MODEL_FAILURES, AttemptEnd
from cognitive_operator.plan.attempt.retry import MAX_BACKOFF_S, is_retried
from cognitive_operator.plan.backoff import exponential_s

ROW_ATTEMPTS: Final = 5
ROW_TASKS: Final = 3
"""Failed attempts in a row, and different tasks among them, that make an outage. Source: decision 0005."""
ANSWERED: Final = frozenset({"TruncatedResponse", "OutputParseError", "OutputInvalid", "ContentRefused"})
"""Error classes of attempts that the model answered, so that its inference works."""
MAX_OUTAGES: Final = 3
"""Outages of one task whose failures use up no retry: a task that fails after each of them is at fault itself."""
DEFERRAL_S: Final = 30.0
"""Pause of a task without retries before it tries again; doubles with each failure, so that other tasks pass it."""


@dataclass(frozen=True)
class FailureRow:
    """Attempts of one agent that ended with a class of MODEL_FAILURES since the model last answered."""

    keys: tuple[AttemptKey, ...] = ()

    def with_end(self, end: AttemptEnd) -> "FailureRow":
        """Return the row after the end of an attempt; repeated ends change nothing, an answer empties the row."""
        if has_model_answered(end) or end.reason in ANSWERED:
            return NO_FAILURES
        if end.reason not in MODEL_FAILURES or end.key in self.keys:
            return self
        return replace(self, keys=(*self.keys, end.key))

    @property
    def is_outage(self) -> bool:
        """True once the row is long enough to open the circuit."""
        return len(self.keys) >= ROW_ATTEMPTS and len(self.tasks) >= ROW_TASKS

    @property
    def tasks(self) -> frozenset[str]:
        """UIDs of the tasks whose attempts failed."""
        return frozenset(key.task_uid for key in self.keys)

    def failures_of(self, uid: str) -> int:
        """Return the number of failures of one task."""
        return sum(1 for key in self.keys if key.task_uid == uid)


NO_FAILURES: Final = FailureRow()


@dataclass(frozen=True)
class InferenceFacts:
    """State of the agent's inference as far as a task's retries depend on it."""

    is_circuit_open: bool = False
    """True: an open circuit keeps the agent's tasks in the queue."""
    row: FailureRow = NO_FAILURES
    tasks: int = 0
    """Waiting and running tasks of the agent, this one included."""
    forgiven: frozenset[int] = frozenset()
    """Numbers of the task's attempts whose failures opened the circuit, or ended while it was open."""
    outages: int = 0
    """Number of openings of the agent's circuit that the task's failures of inference caused, met or prolonged."""


def has_model_answered(end: AttemptEnd) -> bool:
    """Return True for a success by an answer of the model; False for a failure or a result from the cache."""
    return end.outcome is Outcome.SUCCEEDED and not (isinstance(end.response, Completed) and end.response.cache_hit)


def judged_end(
    inference: InferenceFacts, policy: RetryPolicy, end: AttemptEnd, attempts: Sequence[Attempt]
) -> AttemptEnd:
    """Return an attempt's end, uncounted if the model's inference fails for the whole agent.

    Args:
        inference: State of the agent's inference before this end.
        policy: The task's retry policy.
        end: The end of the task's attempt.
        attempts: The task's earlier attempts.
    """
    if end.reason not in MODEL_FAILURES or not end.is_counted:
        return end
    uncounted = replace(end, is_counted=False)
    if inference.is_circuit_open:
        return uncounted
    if inference.outages >= MAX_OUTAGES:
        return end
    if inference.row.with_end(end).is_outage:
        return uncounted
    return _deferred(inference, uncounted, attempts) if _uses_last_retry(policy, end, attempts) else end


def with_forgiven(attempts: Sequence[Attempt], numbers: Collection[int]) -> tuple[Attempt, ...]:
    """Return a task's attempts, those of the given numbers marked as uncounted."""
    return tuple(a.model_copy(update={"counted": False}) if a.number in numbers else a for a in attempts)


def _uses_last_retry(policy: RetryPolicy, end: AttemptEnd, attempts: Sequence[Attempt]) -> bool:
    """Return True if the policy retries the class of the end, and no retry is left."""
    if is_retried(policy, end, [*attempts, end.status_entry()]):
        return False
    return is_retried(policy, replace(end, is_counted=False), attempts)


def _deferred(inference: InferenceFacts, end: AttemptEnd, attempts: Sequence[Attempt]) -> AttemptEnd:
    """Put off the last failure of a task while it is open if the task or the model is at fault.

    It is open while enough other tasks could complete the row, and the model has answered none of them since the
    task's previous attempt.
    """
    failures = inference.row.with_end(end).failures_of(end.key.task_uid)
    is_undecided = inference.tasks >= ROW_TASKS and (failures > 1 or not attempts)
    if not is_undecided:
        return replace(end, is_counted=True)
    pause_s = exponential_s(DEFERRAL_S, failures - 1, MAX_BACKOFF_S)
    return replace(end, retry_after_s=max(pause_s, end.retry_after_s or 0.0))
