"""Steps that ``plan_attempt`` can decide on for an attempt in flight."""

from dataclasses import dataclass

from cognitive_operator.plan.attempt.facts import Source
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt


@dataclass(frozen=True)
class Read:
    """Read a source, then decide again."""

    source: Source


@dataclass(frozen=True)
class Wait:
    """Do nothing now."""


@dataclass(frozen=True)
class Submit:
    """Submit the attempt's own Ray job."""

    attempt: InFlightAttempt  # no longer waits for a warm slot


@dataclass(frozen=True)
class Stop:
    """Delete the request and tell the executor to stop, because the task is cancelled or suspended."""

    attempt: InFlightAttempt
    """The attempt, marked as stopping."""


@dataclass(frozen=True)
class TakeBack:
    """Delete the request of an attempt that no executor has claimed.

    Safe although an executor may claim it at the same time: the claim, not the request, allows one execution.
    """

    attempt: InFlightAttempt
    end: AttemptEnd | None = None
    """The attempt's end, after its Ray job is stopped; None: the same attempt may be published again."""


@dataclass(frozen=True)
class Close:
    """End the attempt."""

    end: AttemptEnd
    publishes_response: bool = False
    """True: publish a closed response first, because no executor's response ended the attempt."""
    stops_executor: bool = False
    """True: delete the request and tell the executor to stop first."""


Step = Read | Wait | Submit | Stop | TakeBack | Close
