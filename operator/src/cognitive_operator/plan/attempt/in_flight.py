"""Attempts in flight, from the request on, and ends of attempts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.bounds import clean_text
from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.execution import NO_PLACE, Place
from cognitive_operator.api.names import AttemptKey, attempt_submission_id
from cognitive_operator.api.resources import Attempt
from cognitive_operator.api.wire import Claim, Completed, Failed, Mode
from cognitive_operator.ports.ray import RayJob

CIRCUIT_OPENING: Final = frozenset({Reason.CREDENTIALS_REFUSED, Reason.QUOTA_EXCEEDED})
"""Error classes of attempts that open the agent's circuit breaker: every other task would fail in the same way."""
MODEL_FAILURES: Final = frozenset({"ModelUnavailable", "ModelTimeout"})
"""Error classes by which the model's inference fails, whatever the task asks; several in a row open the circuit."""
UNCOUNTED: Final = CIRCUIT_OPENING | {
    Reason.CREDENTIALS_NOT_MOUNTED,
    Reason.BROKER_UNREACHABLE,
    Reason.AGENT_DELETED,
    Reason.SUSPENDED,
    Reason.RUNTIME_OUTDATED,
    Reason.STOPPED,
}
"""Reasons of ends that the task did not cause, and that use up no retry."""
_OUTDATED: Final = ("agent.llm.temperature: Field required.", "agent.llm.top_p: Field required.")
"""Errors of class InvalidRequest by which a runtime refuses absent fields that it does not know to be optional."""
MAX_TIMEOUT_S: Final = 86_400
"""Source: the maximum of ``timeoutSeconds`` in the CRDs."""
MAX_ATTEMPTS: Final = 32
"""Maximum number of attempts in a task's status; the CRD's ``maxItems``. 11 of them may use up a retry."""
MESSAGE_CHARS: Final = 1024
"""Longest message of an attempt. Source: the limit of ``error`` in ``docs/reference/wire.md``."""


@dataclass(frozen=True)
class InFlightAttempt:
    """An attempt whose request is in the stream of requests."""

    key: AttemptKey
    mode: Mode
    since_s: float
    """Monotonic seconds at which this process published or adopted it."""
    claim: Claim | None = None
    claimed_since_s: float | None = None
    """Monotonic seconds at which this process first saw the claim."""
    stopping_since_s: float | None = None
    """Monotonic seconds at which this process started to stop it, because its task was cancelled or suspended."""
    timeout_s: int | None = None
    """Timeout in its request, which no later change of its agent alters; None: another process published it."""
    running_since_s: float | None = None
    """Monotonic seconds at which this process first saw that Ray runs the attempt's job."""
    runtime_key: str | None = None
    """Identifies the image and the Ray cluster at its publication; None: another process published it."""
    place: Place = NO_PLACE
    awaits_slot: bool = False
    """True: a warm slot was free for it at its publication, and its own Ray job is not submitted."""

    @property
    def submission_id(self) -> str | None:
        """Submission id of the Ray job that executes it, as far as that is known; None in a warm slot."""
        if self.mode != "Job":
            return self.claim.submission_id if self.claim else None
        return _own_submission(self.key, self.claim, awaits_slot=self.awaits_slot)

    def with_claim(self, claim: Claim | None, now_s: float) -> "InFlightAttempt":
        """Return the attempt with the claim that was just read.

        A known claim stays when it is not found again: claims are never withdrawn, so the broker has lost it, and the
        attempt still runs.
        """
        known = claim or self.claim
        since_s = self.claimed_since_s if self.claimed_since_s is not None else now_s
        return replace(self, claim=known, claimed_since_s=since_s if known else None)

    def with_request(self, request: bytes | None) -> "InFlightAttempt":
        """Return the attempt with the timeout of its request.

        A request that is no longer in the stream leaves the timeout unknown: then only the CRD's maximum is certain.
        """
        timeout_s = MAX_TIMEOUT_S if request is None else int(json.loads(request)["timeout_seconds"])
        return replace(self, timeout_s=timeout_s)

    def with_job(self, job: RayJob | None, now_s: float) -> "InFlightAttempt":
        """Return the attempt with the first sight of its running job."""
        if job is None or job.status != "RUNNING" or self.running_since_s is not None:
            return self
        return replace(self, running_since_s=now_s)

    def with_own_job(self) -> "InFlightAttempt":
        """Return the attempt as one whose own Ray job is submitted."""
        return replace(self, awaits_slot=False)

    def stopping(self, now_s: float) -> "InFlightAttempt":
        """Return the attempt, marked as stopping since ``now_s``."""
        return replace(self, stopping_since_s=now_s)

    @property
    def is_running(self) -> bool:
        """True while an executor's claim says that it works on the attempt."""
        return self.claim is not None and self.claim.state == "running"

    def status_entry(self) -> Attempt:
        """Return the entry of ``status.attempts`` while the attempt runs."""
        return Attempt(
            number=self.key.number,
            agent_uid=self.key.agent_uid,
            mode=self.mode,
            placement=self.place.placement,
            complexity=self.place.complexity,
            placement_reason=self.place.reason,
            submission_id=self.submission_id,
            worker=self.claim.worker if self.claim else None,
            started_at=self.claim.claimed_at if self.claim else None,
        )

    def closed(
        self,
        finished_at: str,
        outcome: Outcome,
        reason: Reason,
        message: str,
        *,
        retryable: bool = True,
        is_counted: bool = True,
    ) -> "AttemptEnd":
        """Return the end of an attempt that the operator ends, because no executor has reported one."""
        return AttemptEnd(
            key=self.key,
            mode=self.mode,
            outcome=outcome,
            finished_at=finished_at,
            reason=reason,
            message=clean_text(message, MESSAGE_CHARS),
            retryable=retryable,
            is_counted=is_counted,
            claim=self.claim,
            side_effects=self.claim is not None and self.claim.side_effects,
            awaits_slot=self.awaits_slot,
        )


@dataclass(frozen=True)
class AttemptEnd:
    """The end of an attempt."""

    key: AttemptKey
    mode: Mode
    outcome: Outcome
    finished_at: str
    reason: str = ""
    """The error class; empty when it succeeded."""
    message: str = ""
    retryable: bool = False
    is_counted: bool = True
    """False: neither the task nor its agent caused the end, and it uses up no retry."""
    retry_after_s: float | None = None
    response: Completed | Failed | None = None
    sequence: int | None = None
    """Sequence in the stream of responses of the message that reports the end."""
    claim: Claim | None = None
    side_effects: bool = False
    """True: the attempt has called a tool that can change something, or may have."""
    awaits_slot: bool = False
    """True: it ended without a worker before its own Ray job was submitted."""

    @property
    def submission_id(self) -> str | None:
        """Submission id of the Ray job that executed it, as far as that is known; None in a warm slot."""
        source = self.response or self.claim
        if self.mode != "Job":
            return source.submission_id if source else None
        return _own_submission(self.key, source, awaits_slot=self.awaits_slot)

    def status_entry(self) -> Attempt:
        """Return the entry of ``status.attempts`` for the ended attempt."""
        source = self.response or self.claim
        started = self.response.started_at if self.response else self.claim.claimed_at if self.claim else None
        return Attempt(
            number=self.key.number,
            agent_uid=self.key.agent_uid,
            mode=self.mode,
            submission_id=self.submission_id,
            worker=source.worker if source else None,
            started_at=started,
            finished_at=self.finished_at,
            outcome=self.outcome,
            error_type=self.reason or None,
            message=self.message or None,
            sequence=self.sequence,
            tokens=self.response.usage.total_tokens if self.response else None,
            counted=None if self.is_counted else False,
        )


def _own_submission(key: AttemptKey, source: Completed | Failed | Claim | None, *, awaits_slot: bool) -> str | None:
    """Return the submission id of the Ray job of an attempt in Job mode; None: a warm slot has it, or may get it."""
    own = attempt_submission_id(key.task_uid, key.number)
    is_elsewhere = awaits_slot if source is None else source.submission_id != own
    return None if is_elsewhere else own


def attempt_end(key: AttemptKey, response: Completed | Failed, sequence: int | None = None) -> AttemptEnd:
    """Return the end of an attempt that its executor reports."""
    if isinstance(response, Completed):
        return AttemptEnd(
            key, response.mode, Outcome.SUCCEEDED, response.timestamp, response=response, sequence=sequence
        )
    is_outdated = response.error_type == "InvalidRequest" and response.error in _OUTDATED
    reason = Reason.RUNTIME_OUTDATED if is_outdated else response.error_type
    return AttemptEnd(
        key=key,
        mode=response.mode,
        outcome=Outcome.FAILED,
        finished_at=response.timestamp,
        reason=reason,
        message=response.error,
        retryable=response.retryable or is_outdated or reason in CIRCUIT_OPENING,
        is_counted=reason not in UNCOUNTED,
        retry_after_s=response.retry_after_seconds,
        response=response,
        sequence=sequence,
    )


def with_refused_end(attempts: Sequence[Attempt], end: AttemptEnd) -> tuple[Attempt, ...]:
    """Return a task's attempts with the one that ends because the API server refused its status."""
    refusal = {"outcome": Outcome.FAILED, "error_type": Reason.STATUS_REFUSED, "message": None}
    return bounded_attempts(with_attempt(attempts, end.status_entry().model_copy(update=refusal)))


def is_counted(attempt: Attempt) -> bool:
    """Return True if an attempt used up a retry."""
    return attempt.counted is not False and attempt.error_type not in UNCOUNTED


def with_attempt(attempts: Sequence[Attempt], attempt: Attempt) -> tuple[Attempt, ...]:
    """Return the attempts with one added or replaced; a replaced one keeps its place."""
    others = [each for each in attempts if each.number != attempt.number]
    known = next((each for each in attempts if each.number == attempt.number), attempt)
    place = {name: getattr(known, name) for name in ("placement", "complexity", "placement_reason")}
    placed = attempt.model_copy(update=place)
    return tuple(sorted([*others, placed], key=lambda each: each.number))


def bounded_attempts(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """Return at most MAX_ATTEMPTS attempts: the first, all that used up a retry, and the newest of the others.

    A task may be suspended, or wait for its agent, any number of times, and its status must stay writable.
    """
    excess = max(0, len(attempts) - MAX_ATTEMPTS)
    inner = attempts[1:-1]
    dropped = [each.number for each in inner if each.is_closed and not is_counted(each)][:excess]
    kept = [each for each in attempts if each.number not in dropped]
    return (*kept[:1], *kept[1:][-(MAX_ATTEMPTS - 1) :])
