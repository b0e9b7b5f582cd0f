"""Decides the next step for an attempt in flight: end it, withdraw it, submit it, stop it or wait.

The decision is pure. Facts that cost a request to the broker or to Ray are read only when the decision depends on them:
until then they are None, and the answer is ``Read`` with the source that is needed next.
"""

from dataclasses import dataclass

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.names import attempt_submission_id
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Claim
from cognitive_operator.plan.attempt.facts import (
    AttemptFacts,
    InvalidResponse,
    JobAwaited,
    JobRefused,
    LeaseFacts,
    Reading,
    Source,
)
from cognitive_operator.plan.attempt.in_flight import UNCOUNTED, AttemptEnd, InFlightAttempt
from cognitive_operator.plan.attempt.steps import Close, Read, Step, Stop, Submit, TakeBack, Wait
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.plan.gates.gate import GateResult, queue_timeout
from cognitive_operator.plan.job_log import CAUSES, JobCause, ended_job, read_log
from cognitive_operator.plan.silence import explained, pending_job
from cognitive_operator.ports.ray import RayJob


def plan_attempt(facts: AttemptFacts, timing: AttemptTiming) -> Step:
    """Return the next step for an attempt in flight whose response the consumer has not delivered."""
    if facts.agent is None or facts.agent.metadata.uid != facts.attempt.key.agent_uid:
        return _agent_deleted(facts)
    return _Rules(facts, facts.attempt, facts.agent, timing).step()


def _refused_job(attempt: InFlightAttempt, now: str, message: str) -> Close:
    """Return the end of an attempt whose Ray job is refused for good."""
    return Close(attempt.closed(now, Outcome.FAILED, Reason.JOB_FAILED, message), publishes_response=True)


def _agent_deleted(facts: AttemptFacts) -> Step:
    """End the attempt without a closed response: the usage of a deleted agent is no longer counted.

    An agent that exists and is only unknown to this process, or is not readable to it, ends no attempt.
    """
    if facts.live_agent_uid is None:
        return Read(Source.AGENT)
    if facts.live_agent_uid.value == facts.attempt.key.agent_uid:
        return Wait()
    agent_name = f"{facts.task.metadata.namespace}/{facts.task.spec.agent_ref.name}"
    message = f"CognitiveAgent {agent_name} was deleted."
    end = facts.attempt.closed(facts.now, Outcome.FAILED, Reason.AGENT_DELETED, message, is_counted=False)
    return _unless_retained(facts, Close(end, stops_executor=True))


def _unless_retained(facts: AttemptFacts, close: Close) -> Step:
    """Prefer an executor's response in the stream to an end by the operator."""
    if facts.retained is None:
        return Read(Source.RESPONSES)
    found = facts.retained.value
    if isinstance(found, AttemptEnd):
        return Close(found)
    return close if found is None or not close.publishes_response else _invalid_response(facts, found)


def _invalid_response(facts: AttemptFacts, response: InvalidResponse) -> Close:
    """End an attempt whose executor reported an end that no status can be made of."""
    claim = facts.attempt.claim
    sender = f"Worker {claim.worker}" if claim else "The executor"
    end = facts.attempt.closed(facts.now, Outcome.FAILED, Reason.RESPONSE_INVALID, response.explained(sender))
    return Close(end, publishes_response=True)


@dataclass(frozen=True)
class _Rules:
    """The rules for an attempt in flight whose agent exists."""

    facts: AttemptFacts
    attempt: InFlightAttempt
    agent: Agent
    timing: AttemptTiming

    def step(self) -> Step:
        if self.facts.claim_fault:
            return self._close(
                Outcome.LOST,
                Reason.EXECUTOR_LOST,
                f"The attempt's claim on the broker is invalid: {self.facts.claim_fault}",
            )
        if self.facts.task.spec.is_cancelled_or_suspended:
            return self._stop()
        late = self._queue_timeout()
        if late is not None:
            is_read = self.facts.claim is not None
            return self._give_up(Reason.QUEUE_TIMEOUT, late.message) if is_read else Read(Source.CLAIM)
        if self._age_s < self.timing.claim_read_after_s:
            return Wait()
        return self._follow()

    def _stop(self) -> Step:
        """Stop the attempt: its executor reports the end, or the operator does after a grace period."""
        if self.attempt.stopping_since_s is None:
            return Stop(self.attempt.stopping(self.facts.now_s))
        step = self._follow()
        if not isinstance(step, Wait):
            return step
        stopping_s = self.facts.now_s - self.attempt.stopping_since_s
        if self.attempt.claim is None:
            is_late = stopping_s > self.timing.unclaimed_stop_s
            message = "Stopped before an executor started it."
            return self._give_up(Reason.CANCELLED, message) if is_late else Wait()
        if stopping_s <= self.timing.stop_grace_s:
            return Wait()
        grace, worker = f"{self.timing.stop_grace_s:g} s", self.attempt.claim.worker
        message = f"Worker {worker} did not stop within {grace} after the stop message."
        return self._close(Outcome.LOST, Reason.CANCELLED, message, retryable=False)

    def _queue_timeout(self) -> GateResult | None:
        if self.attempt.claim is not None:
            return None
        return queue_timeout(self.facts.task, self.agent, self.facts.server_time_s)

    def _follow(self) -> Step:
        if self.facts.claim is None:
            return Read(Source.CLAIM)
        return self._unclaimed() if self.attempt.claim is None else self._claimed(self.attempt.claim)

    def _unclaimed(self) -> Step:
        mode, timing, awaits_slot = self.attempt.mode, self.timing, self.attempt.awaits_slot
        is_paused = (self.agent.spec.suspend or self.facts.is_ray_changing) and mode != "Job"
        if not self.agent.spec.execution.executes(mode, self.attempt.place) or is_paused:
            return TakeBack(self.attempt)
        if self.attempt.stopping_since_s is not None:
            return Wait()
        if mode == "Job":
            return self._job() if self._age_s > timing.job_read_after_s(awaits_slot=awaits_slot) else Wait()
        is_stale = self._age_s > timing.republish_after_s and not self.facts.is_agent_blocked
        return TakeBack(self.attempt) if is_stale else Wait()

    def _job(self) -> Step:
        """Decide about a Job attempt without a claim by its Ray job."""
        if self.attempt.awaits_slot:
            return Submit(self.attempt.with_own_job())
        if self.facts.job is None:
            return Read(Source.JOB)
        if isinstance(self.facts.job, JobAwaited):
            return Wait()
        if isinstance(self.facts.job, JobRefused):
            return _refused_job(self.attempt, self.facts.now, self.facts.job.message)
        job = self.facts.job.value
        if job is None:
            return Submit(self.attempt)
        return self._ended_job(job) if job.is_terminal else self._live_job(job)

    def _live_job(self, job: RayJob) -> Step:
        limit_s = self.timing.job_start_s
        if job.status != "PENDING":
            return self._running_job()
        if self._age_s <= limit_s:
            return Wait()
        message = pending_job(self.agent, self._submission_id, limit_s)
        return self._give_up(Reason.JOB_FAILED, message)

    def _running_job(self) -> Step:
        """Wait for the claim of a running job; after a limit, end the attempt with the last lines of the job's log."""
        limit_s, since_s = self.timing.claim_within_s, self.attempt.running_since_s
        if since_s is None or self.facts.now_s - since_s <= limit_s:
            return Wait()
        if self.facts.second_claim is None:
            return Read(Source.SECOND_CLAIM)
        if self.facts.second_claim.value is not None:
            return Wait()
        if self.facts.log is None:  # the next answer of Ray has it
            return Wait()
        cause = read_log(self.facts.log.value or "")
        head = f"Ray job {self._submission_id} has run for {limit_s:g} s and has not started the attempt."
        return self._give_up(cause.reason or Reason.JOB_FAILED, f"{head} {explained(self.agent, cause)}")

    def _ended_job(self, job: RayJob) -> Step:
        if self.facts.second_claim is None:
            return Read(Source.SECOND_CLAIM)
        if self.facts.second_claim.value is not None:
            return Wait()
        return _unless_retained(self.facts, self._ended_unclaimed(job, ended_job(job)))

    def _ended_unclaimed(self, job: RayJob, cause: JobCause) -> Close:
        head = f"Ray job {self._submission_id} ended ({job.status}) before it started the attempt"
        if cause.reason is None:
            return self._close(Outcome.FAILED, Reason.JOB_FAILED, f"{head}: {cause.text}")
        return self._close(Outcome.FAILED, cause.reason, f"{head}. {explained(self.agent, cause)}")

    def _claimed(self, claim: Claim) -> Step:
        claimed_s = self.facts.now_s - (self.attempt.claimed_since_s or 0.0)
        if claim.state == "ended":
            return self._ended(claimed_s)
        if self._is_lost(self.facts.lease):
            message = f"Worker {claim.worker} stopped renewing its lease."
            return _unless_retained(self.facts, self._close(Outcome.LOST, Reason.EXECUTOR_LOST, message))
        if claimed_s <= self.timing.deadline_grace_s:
            return Wait()
        timeout_s = self.attempt.timeout_s
        if timeout_s is None:
            return Read(Source.REQUEST)
        if claimed_s <= timeout_s + self.timing.deadline_grace_s:
            return Wait()
        message = f"The attempt exceeded its timeout ({timeout_s} s), and its worker did not stop it."
        return self._close(Outcome.FAILED, Reason.DEADLINE_EXCEEDED, message, retryable=False, stops_executor=True)

    def _ended(self, claimed_s: float) -> Step:
        """A claim ends after its response is in the stream: read it there if the consumer has not delivered it."""
        if claimed_s <= self.timing.result_lost_s and self.facts.retained == Reading(None):
            return Wait()
        message = "The attempt ended, but its response is no longer in the stream."
        return _unless_retained(self.facts, self._close(Outcome.LOST, Reason.RESULT_LOST, message))

    def _is_lost(self, lease: LeaseFacts | None) -> bool:
        if lease is None:
            return False
        last_s = self.attempt.claimed_since_s or 0.0 if lease.renewed_s is None else lease.renewed_s
        read_s = min(lease.read_s, self.facts.now_s)
        return read_s - max(last_s, lease.ready_since_s) > self.timing.lease_lost_s

    def _give_up(self, reason: Reason, message: str) -> TakeBack:
        """End an attempt that no executor started; its number is used up only in Job mode, where a Ray job has it."""
        if self.attempt.mode != "Job":
            return TakeBack(self.attempt)
        is_retryable = reason in (Reason.JOB_FAILED, *CAUSES)
        return TakeBack(self.attempt, self._end(Outcome.LOST, reason, message, retryable=is_retryable))

    def _close(
        self, outcome: Outcome, reason: Reason, message: str, *, retryable: bool = True, stops_executor: bool = False
    ) -> Close:
        end = self._end(outcome, reason, message, retryable=retryable)
        return Close(end, publishes_response=True, stops_executor=stops_executor)

    def _end(self, outcome: Outcome, reason: Reason, message: str, *, retryable: bool) -> AttemptEnd:
        is_counted, now = reason not in UNCOUNTED, self.facts.now
        return self.attempt.closed(now, outcome, reason, message, retryable=retryable, is_counted=is_counted)

    @property
    def _age_s(self) -> float:
        return self.facts.now_s - self.attempt.since_s

    @property
    def _submission_id(self) -> str:
        return attempt_submission_id(self.attempt.key.task_uid, self.attempt.key.number)
