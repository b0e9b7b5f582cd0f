"""Counters of an agent, summed up over its response stream in stream order.

The counters are a sum over a prefix of the stream, stored together with the end of that prefix. A process that
continues there after a crash computes the same sum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.counters import Accounting, Counters, SpentEnergy
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.task_body import TaskAttempts
from cognitive_operator.api.wire import Completed, Failed
from cognitive_operator.plan.agent.usage.variant_counters import (
    Change,
    with_variant,
    with_variant_costs,
    with_variant_task,
)

QUALITY_WINDOW: Final = 20
SCORE_WEIGHT: Final = 0.1
SUCCESS_SHARE: Final = 0.6
"""Source of the three: the original's agents, whose capability is an exponentially weighted mean with factor 0.1 of
0.6 * success rate + 0.4 * mean of the last 20 qualities."""
DIGITS: Final = 9
"""Decimals that sums are rounded to, so that 0.1 + 0.2 reads 0.3."""


@dataclass(frozen=True)
class UsageRecord:
    """A verified response that ended an attempt."""

    sequence: int
    namespace: str
    key: AttemptKey
    outcome: str
    """``completed`` or ``failed`` by the executor, ``closed`` by the operator."""
    response: Completed | Failed
    day: str = ""
    """Day in UTC on which the stream stored it, such as ``2026-11-21``."""
    variant: str = ""
    """Variant to which it is counted; empty: none."""
    present: frozenset[str] = frozenset()
    """Names of the agent's variants."""


@dataclass(frozen=True)
class Contribution:
    """Counters to which a record adds."""

    has_costs: bool
    """True: add its tokens and its energy."""
    ends_task: bool
    """True: add one task."""
    is_success: bool = False


def is_undecided(entry: UsageRecord, task: TaskAttempts | None) -> bool:
    """Return True while the task's status does not include the attempt's end yet; counting waits for it."""
    return task is not None and not task.is_finished and entry.key.number > task.last


def is_recorded(entry: UsageRecord, task: TaskAttempts | None) -> bool:
    """Return True if the status names exactly this entry, so that no other message has to be read."""
    return task is not None and task.closed.get(entry.key.number) == entry.sequence


def contribution_of(entry: UsageRecord, task: TaskAttempts | None, siblings: Sequence[UsageRecord]) -> Contribution:
    """Return the contribution of an entry that is decided.

    Args:
        entry: The message.
        task: Its task, None if that is deleted.
        siblings: All messages of the stream for the same task and agent; needed unless ``is_recorded``.
    """
    if task is None:
        ends = _is_last_word(entry, siblings)
        return Contribution(_is_first_answer(entry, siblings), ends, ends and entry.outcome == "completed")
    if is_recorded(entry, task):
        ends = task.is_counted and entry.key.number == task.last
        return Contribution(entry.outcome != "closed", ends, ends and task.phase == Phase.SUCCEEDED)
    answers = {s.sequence for s in siblings if s.key == entry.key and s.outcome != "closed"}
    was_taken = task.closed.get(entry.key.number) in answers
    ends = task.is_counted and entry.key.number > task.last and _is_first_word(entry, siblings)
    return Contribution(not was_taken and _is_first_answer(entry, siblings), ends)


def _is_first_answer(entry: UsageRecord, siblings: Sequence[UsageRecord]) -> bool:
    """Return False for a duplicate, which an executor stores when the broker's acknowledgement was lost for minutes."""
    answers = [s.sequence for s in siblings if s.key == entry.key and s.outcome != "closed"]
    return entry.outcome != "closed" and entry.sequence == min(answers, default=entry.sequence)


def _is_first_word(entry: UsageRecord, siblings: Sequence[UsageRecord]) -> bool:
    return entry.sequence == min((s.sequence for s in siblings if s.key == entry.key), default=entry.sequence)


def _is_last_word(entry: UsageRecord, siblings: Sequence[UsageRecord]) -> bool:
    """Return True for the last attempt of a deleted task, which counts the task unless the attempt was stopped."""
    is_last = all(s.key.number <= entry.key.number for s in siblings)
    is_stopped = isinstance(entry.response, Failed) and entry.response.error_type == "Cancelled"
    return is_last and not is_stopped and _is_first_word(entry, siblings)


def on_stream(counters: Counters, stream: str) -> Counters:
    """Return the counters for a stream; a recreated stream is counted from its beginning."""
    if counters.accounting.stream == stream:
        return counters
    fresh = counters.accounting.model_copy(update={"stream": stream, "sequence": 0})
    return counters.model_copy(update={"accounting": fresh})


def skipped(counters: Counters, sequence: int) -> Counters:
    """Return the counters after a message that adds nothing."""
    return counters.model_copy(update={"accounting": counters.accounting.model_copy(update={"sequence": sequence})})


def counted(counters: Counters, entry: UsageRecord, share: Contribution) -> Counters:
    """Return the counters with an entry added; an entry that is counted already adds nothing."""
    if entry.sequence <= counters.accounting.sequence:
        return counters
    result = skipped(counters, entry.sequence)
    if share.has_costs:
        result = _with_costs(result, entry)
        result = _varied(result, entry, partial(with_variant_costs, response=entry.response))
    if not share.ends_task:
        return result
    ended = partial(with_variant_task, response=entry.response, is_success=share.is_success)
    return _varied(_with_task(result, entry.response, is_success=share.is_success), entry, ended)


def _varied(counters: Counters, entry: UsageRecord, change: Change) -> Counters:
    return with_variant(counters, entry.variant, entry.present, change)


def _with_costs(counters: Counters, entry: UsageRecord) -> Counters:
    usage = entry.response.usage
    cost = round(counters.energy.cognitive_cost + entry.response.energy.delta, DIGITS)
    today = counters.tokens_today.plus(entry.day, usage.total_tokens)
    total = counters.tokens.plus(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    spent = {"tokens": total, "tokens_today": today, "energy": SpentEnergy(cognitive_cost=cost)}
    return counters.model_copy(update=spent)


def _with_task(counters: Counters, response: Completed | Failed, *, is_success: bool) -> Counters:
    old = counters.accounting
    confidence = response.confidence if is_success and isinstance(response, Completed) else None
    qualities = old.qualities if confidence is None else (*old.qualities, confidence)[-QUALITY_WINDOW:]
    accounting = Accounting(
        stream=old.stream,
        sequence=old.sequence,
        duration_seconds=round(old.duration_seconds + response.duration_ms / 1000, DIGITS),
        qualities=qualities,
    )
    processed = {
        "tasks_processed": counters.tasks_processed + 1,
        "tasks_succeeded": counters.tasks_succeeded + int(is_success),
        "accounting": accounting,
    }
    return _scored(counters.model_copy(update=processed))


def _scored(counters: Counters) -> Counters:
    """Update the capability score; the success rate replaces the quality while no result has a confidence."""
    rate = counters.success_rate or 0.0
    quality = counters.average_quality
    aim = SUCCESS_SHARE * rate + (1 - SUCCESS_SHARE) * (rate if quality is None else quality)
    score = (1 - SCORE_WEIGHT) * counters.capability_score + SCORE_WEIGHT * aim
    return counters.model_copy(update={"capability_score": round(score, DIGITS)})
