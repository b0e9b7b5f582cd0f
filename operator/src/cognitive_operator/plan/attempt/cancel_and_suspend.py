"""Cancellation and suspension: the gate of a waiting task, and the end of an attempt that was stopped.

For the stop of a running attempt see ``plan.attempt.next_step``, which decides when, and how long the executor may
take; ``reconcile.task.attempt`` carries that out, and ``reconcile.task.cleanup`` sends the stop message.
"""

from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Outcome, Phase, Reason
from cognitive_operator.api.resources import Task, TaskSpec
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt
from cognitive_operator.plan.gates.gate import GateResult

CANCELLED: Final = "Cancelled (spec.cancel is true)."
NOT_ASKED_TO_STOP: Final = "Neither spec.cancel nor spec.suspend is true, so the attempt uses up no retry."


def cancel_and_suspend(spec: TaskSpec) -> GateResult | None:
    """Return the gate of ``spec.cancel`` and ``spec.suspend``."""
    if spec.cancel:
        return GateResult(Reason.CANCELLED, CANCELLED, Phase.CANCELLED)
    if spec.suspend:
        return GateResult(Reason.SUSPENDED, "Suspended; set spec.suspend to false to resume.", Phase.SUSPENDED)
    return None


def stopped_end(task: Task, end: AttemptEnd, attempt: InFlightAttempt | None) -> AttemptEnd:
    """Return the end of a stopped attempt by its cause: spec.cancel, spec.suspend, or neither.

    Args:
        task: The task.
        end: The end of its attempt, with the reason Cancelled.
        attempt: The attempt in flight, which knows if this process told the executor to stop.
    """
    if task.spec.cancel:
        return replace(end, outcome=Outcome.CANCELLED, retryable=False)
    if task.spec.suspend or (attempt is not None and attempt.stopping_since_s is not None):
        return _suspended_end(end)
    message = f"{end.message} {NOT_ASKED_TO_STOP}"
    return replace(end, reason=Reason.STOPPED, message=message, retryable=True, is_counted=False)


def cancelled_end(end: AttemptEnd) -> AttemptEnd:
    """Return the end of the last attempt of a task that is cancelled before its retry."""
    return replace(end, reason=Reason.CANCELLED, message=CANCELLED)


def _suspended_end(end: AttemptEnd) -> AttemptEnd:
    message = "Stopped (spec.suspend is true)."
    return replace(
        end, outcome=Outcome.SUSPENDED, reason=Reason.SUSPENDED, message=message, retryable=True, is_counted=False
    )
