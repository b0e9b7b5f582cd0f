"""Whether an attempt that ended is followed by another one, and when."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.resources import Attempt, RetryPolicy, Task
from cognitive_operator.plan.in_flight import AttemptEnd

UNCOUNTED_BACKOFF_S: Final = 10.0
MAX_BACKOFF_S: Final = 300.0
JITTER: Final = 0.5
"""The longest addition to a backoff, as a share of it: attempts that failed together do not come back together."""
UNCOUNTED: Final = frozenset({Reason.CREDENTIALS_NOT_MOUNTED, Reason.AGENT_DELETED, Reason.SUSPENDED})
"""Ends that were nobody's fault here and use up no retry."""


def is_retried(policy: RetryPolicy, end: AttemptEnd, attempts: Sequence[Attempt]) -> bool:
    """Tell whether another attempt follows ``end``, the last of ``attempts``."""
    if not end.is_counted:
        return end.retryable
    is_wanted = end.retryable if policy.on_error_types is None else end.reason in policy.on_error_types
    return is_wanted and _counted(attempts) <= policy.max_retries


def overspent(task: Task, attempts: Sequence[Attempt]) -> str | None:
    """Return why no further attempt may follow these, None if tokens are left."""
    left = task.tokens_left(attempts)
    if left is None or left > 0:
        return None
    budget = task.spec.budget.tokens or 0
    return f"its attempts have used {budget - left} tokens, and spec.budget.tokens is {budget}."


def backoff_s(policy: RetryPolicy, end: AttemptEnd, attempts: Sequence[Attempt]) -> float:
    """Return the seconds before the attempt that follows ``end``, the last of ``attempts``."""
    if end.reason == Reason.SUSPENDED:
        return 0.0
    if not end.is_counted:
        return UNCOUNTED_BACKOFF_S
    wanted_s = max(_grown_s(policy, attempts), end.retry_after_s or 0.0)
    return wanted_s * (1.0 + JITTER * _share(end.key.task_uid, end.key.number))


def backoff_left_s(policy: RetryPolicy, uid: str, attempts: Sequence[Attempt], now: str) -> float:
    """Return what is left of a backoff that another process began, as far as the task's status tells.

    The times are two machines' wall clocks, so that the answer is held between none and all of the backoff.
    """
    last = attempts[-1] if attempts else None
    if last is None or last.finished_at is None or last.error_type == Reason.SUSPENDED:
        return 0.0
    whole_s = UNCOUNTED_BACKOFF_S
    if last.error_type not in UNCOUNTED:
        whole_s = _grown_s(policy, attempts) * (1.0 + JITTER * _share(uid, last.number))
    gone_s = (datetime.fromisoformat(now) - datetime.fromisoformat(last.finished_at)).total_seconds()
    return min(whole_s, max(0.0, whole_s - gone_s))


def _grown_s(policy: RetryPolicy, attempts: Sequence[Attempt]) -> float:
    base = policy.backoff_seconds
    return min(max(MAX_BACKOFF_S, base), base * 2.0 ** max(0, _counted(attempts) - 1))


def _counted(attempts: Sequence[Attempt]) -> int:
    return sum(1 for a in attempts if a.is_closed and a.error_type not in UNCOUNTED)


def _share(uid: str, number: int) -> float:
    """Return a number from 0 to 1 that is the same for an attempt in every process."""
    return int.from_bytes(sha256(f"{uid}.{number}".encode()).digest()[:4]) / 2**32
