"""Side effects of an attempt's tools: an attempt that may have changed something is not repeated by itself."""

from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Outcome, Reason, as_sentence
from cognitive_operator.api.resources import RetryPolicy, Task
from cognitive_operator.api.wire import Claim
from cognitive_operator.plan.attempt.in_flight import AttemptEnd

REMEDY: Final = (
    "Not retried: a tool that can change something was called, or may have been, and another attempt could change it "
    "twice. Check what the tools have changed, then create another task. To retry such attempts, set "
    "retryPolicy.afterSideEffects to Retry."
)


def needs_claim(task: Task, end: AttemptEnd) -> bool:
    """Return True if the claim of an ended attempt says whether it had side effects.

    An attempt that no executor claimed has called no tool.
    """
    if not task.spec.tools.enabled or end.side_effects or end.outcome is Outcome.SUCCEEDED:
        return False
    return end.response is not None or _was_claimed(task, end)


def with_claim(task: Task, end: AttemptEnd, claim: Claim | None) -> AttemptEnd:
    """Return the end of an attempt with the side effects in its claim.

    Args:
        task: A task with tools.
        end: The end of its attempt, for which ``needs_claim`` is True.
        claim: The claim as read after the end; None: it is no longer there, so that the reported calls decide.
    """
    if claim is not None:
        return replace(end, side_effects=claim.side_effects)
    if end.response is not None:
        return replace(end, side_effects=any(each.outcome != "Refused" for each in end.response.operations))
    return replace(end, side_effects=_was_claimed(task, end))


def prevents_retry(policy: RetryPolicy, end: AttemptEnd) -> bool:
    """Return True if an attempt is not retried because of its side effects."""
    return end.side_effects and policy.after_side_effects == "Never"


def not_repeated(end: AttemptEnd) -> AttemptEnd:
    """Return the end of an attempt that would be retried if it had no side effects."""
    return replace(end, reason=Reason.SIDE_EFFECTS, message=f"{as_sentence(end.message)} {REMEDY}")


def _was_claimed(task: Task, end: AttemptEnd) -> bool:
    """Return True if an executor has claimed the attempt, also if the claim is invalid."""
    if end.reason == Reason.EXECUTOR_LOST:
        return True
    listed = (each for each in task.status.attempts if each.number == end.key.number)
    return end.claim is not None or any(each.worker is not None for each in listed)
