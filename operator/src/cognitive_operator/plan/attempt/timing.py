"""Durations that decide about attempts."""

from dataclasses import dataclass
from typing import Final

RUNNING_AFTER_S: Final = 0.25
"""Age of an attempt from which a task's status shows it as running."""


@dataclass(frozen=True)
class AttemptTiming:
    """Durations that decide about an attempt, in seconds."""

    claim_read_after_s: float = RUNNING_AFTER_S
    """Age of an attempt at which its claim is read for the first time."""
    ray_read_after_s: float = 2.0
    """Age of an unclaimed Job attempt at which its Ray job is read."""
    slot_wait_s: float = 2.0
    """Age of an unclaimed Job attempt at which its own Ray job is submitted although a warm slot was free for it."""
    republish_after_s: float = 60.0
    """Age of an unclaimed attempt at which its request is published again."""
    job_start_s: float = 300.0
    """Time within which Ray must start the job of an attempt."""
    claim_within_s: float = 180.0
    """Time within which a running job must claim its attempt. Longer than the 120 s after which a job that does not
    reach the broker ends by itself, so that its exit status tells the cause."""
    lease_lost_s: float = 15.0
    """Time without a renewal after which a worker counts as lost."""
    result_lost_s: float = 30.0
    """Time after the first sight of a claim, which has ended, after which its missing response counts as lost."""
    deadline_grace_s: float = 30.0
    """Time beyond the task's timeout that a worker has to end the attempt itself."""
    stop_grace_s: float = 5.0
    """Time that a worker has to report the end of an attempt that it was told to stop."""
    unclaimed_stop_s: float = 0.5
    """Time in which an executor that had just fetched a deleted request may still claim it."""

    def job_read_after_s(self, *, awaits_slot: bool) -> float:
        """Return the age from which the Ray job of an unclaimed Job attempt is read, or else submitted."""
        return self.slot_wait_s if awaits_slot else self.ray_read_after_s
