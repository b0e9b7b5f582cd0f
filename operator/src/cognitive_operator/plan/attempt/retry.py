"""Retries of a task (``spec.retryPolicy``): decides about the next attempt and its delay.

``plan.attempt.side_effects`` refuses the retry of an attempt that may have changed something outside. The executor
repeats calls of the model within one attempt by ``adapters/model/retry.py`` of the runtime.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.resources import Attempt, RetryPolicy, Task
from cognitive_operator.plan.attempt.in_flight import CIRCUIT_OPENING, MODEL_FAILURES, AttemptEnd, is_counted
from cognitive_operator.plan.backoff import exponential_s

UNCOUNTED_BACKOFF_S: Final = 10.0
OPEN_CIRCUIT_BACKOFF_S: Final = 1.0
"""Backoff after an end that opens the agent's circuit, which decides when the task is tried again."""
MAX_BACKOFF_S: Final = 300.0
JITTER: Final = 0.5
"""Largest random addition to a backoff, as a fraction of it: attempts that failed together restart apart."""


def is_retried(policy: RetryPolicy, end: AttemptEnd, attempts: Sequence[Attempt]) -> bool:
    """Return True if another attempt follows ``end``, the last of ``attempts``."""
    if not end.is_counted:
        is_listed = end.reason in CIRCUIT_OPENING | MODEL_FAILURES and policy.on_error_types is not None
        return end.reason in (policy.on_error_types or ()) if is_listed else end.retryable
    is_wanted = end.retryable if policy.on_error_types is None else end.reason in policy.on_error_types
    return is_wanted and _counted(attempts) <= policy.max_retries


def overspent(task: Task, attempts: Sequence[Attempt]) -> str | None:
    """Return the reason why the token budget allows no further attempt, None if tokens are left."""
    left = task.tokens_left(attempts)
    if left is None or left > 0:
        return None
    budget = task.spec.budget.tokens or 0
    return f"its attempts together used {budget - left} tokens, and spec.budget.tokens is {budget}."


def backoff_s(policy: RetryPolicy, end: AttemptEnd, attempts: Sequence[Attempt]) -> float:
    """Return the seconds before the attempt that follows ``end``, the last of ``attempts``."""
    if end.reason == Reason.SUSPENDED:
        return 0.0
    if not end.is_counted and end.reason in MODEL_FAILURES:
        return max(OPEN_CIRCUIT_BACKOFF_S, end.retry_after_s or 0.0)
    if not end.is_counted:
        return OPEN_CIRCUIT_BACKOFF_S if end.reason in CIRCUIT_OPENING else UNCOUNTED_BACKOFF_S
    wanted_s = max(_exponential_s(policy, attempts), end.retry_after_s or 0.0)
    return wanted_s * (1.0 + JITTER * _fraction(end.key.task_uid, end.key.number))


def backoff_left_s(policy: RetryPolicy, uid: str, attempts: Sequence[Attempt], now: str) -> float:
    """Return the rest of a backoff that another process started, according to the task's status.

    The times are of two machines' wall clocks, so the rest is limited to the whole backoff.
    """
    last = attempts[-1] if attempts else None
    if last is None or last.finished_at is None or last.error_type == Reason.SUSPENDED:
        return 0.0
    whole_s = UNCOUNTED_BACKOFF_S
    if is_counted(last):
        whole_s = _exponential_s(policy, attempts) * (1.0 + JITTER * _fraction(uid, last.number))
    passed_s = (datetime.fromisoformat(now) - datetime.fromisoformat(last.finished_at)).total_seconds()
    return min(whole_s, max(0.0, whole_s - passed_s))


def _exponential_s(policy: RetryPolicy, attempts: Sequence[Attempt]) -> float:
    base = policy.backoff_seconds
    return exponential_s(base, _counted(attempts) - 1, max(MAX_BACKOFF_S, base))


def _counted(attempts: Sequence[Attempt]) -> int:
    return sum(1 for attempt in attempts if attempt.is_closed and is_counted(attempt))


def _fraction(uid: str, number: int) -> float:
    """Return a pseudo-random number from 0 to 1 that every process computes alike for an attempt."""
    return int.from_bytes(sha256(f"{uid}.{number}".encode()).digest()[:4]) / 2**32
