"""Looks at an attempt in flight: has it ended, and how."""

import logging
from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.names import (
    AttemptKey,
    attempt_submission_id,
    request_subject,
    response_subject,
    responses_of_attempt,
)
from cognitive_operator.api.wire import SIGNATURE_HEADER, Claim, attempt_key, sign
from cognitive_operator.desired.ray_job import desired_attempt
from cognitive_operator.errors import MessageError, RayRefusedError
from cognitive_operator.plan.flight import Closing, Flight, closing_of
from cognitive_operator.plan.hold import Hold, overdue, own_hold
from cognitive_operator.plan.note import note_of
from cognitive_operator.plan.task import RUNNING_AFTER_S
from cognitive_operator.reconcile.cleaner import Cleaner, Leftover
from cognitive_operator.reconcile.deps import Deps
from cognitive_operator.reconcile.index import Index
from cognitive_operator.reconcile.records import AgentRecord, Arrival, TaskRecord
from cognitive_operator.reconcile.results import is_note, verified

logger = logging.getLogger(__name__)
LEASE_LOST_S: Final = 15.0
REPUBLISH_AFTER_S: Final = 60.0
DEADLINE_GRACE_S: Final = 30.0
RAY_LOOK_AFTER_S: Final = 2.0
RESULT_LOST_S: Final = 30.0
JOB_START_S: Final = 300.0
"""How long Ray may take to start an attempt's job."""
STOP_GRACE_S: Final = 5.0
"""How long an attempt that is stopped may take to say how it ended."""
UNCLAIMED_STOP_S: Final = 0.5
"""How long a request that was deleted may still be claimed by an executor that had just fetched it."""
MAX_MESSAGES: Final = 64
"""Of one attempt that are looked at: one, beside what was forged."""


class AttemptObserver:
    """Finds out how an attempt ended: by its response, else by its claim, its worker's lease and its Ray job."""

    def __init__(self, deps: Deps, index: Index, cleaner: Cleaner) -> None:
        self._deps = deps
        self._index = index
        self._cleaner = cleaner

    async def observe(self, record: TaskRecord) -> Closing | None:
        """Return how the task's attempt ended, None while it goes on or there is none."""
        closing = await self._look(record)
        if closing is None or closing.sequence is not None or closing.reason == Reason.AGENT_DELETED:
            return closing
        return replace(closing, sequence=await self._note(record, closing))

    async def _note(self, record: TaskRecord, closing: Closing) -> int:
        """Tell the stream of an end that no executor told it, before the task's status says so."""
        namespace, name = record.name
        subject = response_subject("closed", namespace, closing.key)
        payload = note_of(closing, namespace, name).model_dump_json().encode()
        key = attempt_key(self._deps.master_key, closing.key.task_uid, closing.key.number)
        return await self._deps.broker.publish_closed(subject, payload, {SIGNATURE_HEADER: sign(key, subject, payload)})

    async def _look(self, record: TaskRecord) -> Closing | None:
        arrival = await self._arrived(record)
        if arrival is not None:
            return closing_of(arrival.key, arrival.response, arrival.sequence)
        if record.flight is None:
            return None
        agent = self._index.agent_of(record)
        if agent is None or agent.agent.metadata.uid != record.flight.key.agent_uid:
            return await self._abandoned(record, record.flight)
        return await self._look_at_flight(record, record.flight, agent)

    async def _look_at_flight(self, record: TaskRecord, flight: Flight, agent: AgentRecord) -> Closing | None:
        if record.task is not None and own_hold(record.task.spec) is not None:
            return await self._stopped(record, flight, agent)
        if record.task is not None and flight.claim is None:
            late = overdue(record.task, agent.agent, self._deps.kube.server_time())
            if late is not None:
                return await self._late(record, flight, agent, late)
        if self._deps.clock.monotonic() - flight.since_s < RUNNING_AFTER_S:
            return None
        return await self._follow(record, flight, agent)

    async def _stopped(self, record: TaskRecord, flight: Flight, agent: AgentRecord) -> Closing | None:
        """Stop an attempt on its task's word: its executor says how it ended, else the operator does."""
        now_s = self._deps.clock.monotonic()
        if flight.stopping_since_s is None:
            record.flight = replace(flight, stopping_since_s=now_s)
            self._cleaner.add(Leftover(record.name[0], flight.key))
            return None
        closing = await self._follow(record, flight, agent)
        stopping_s = now_s - flight.stopping_since_s
        if closing is not None or record.flight is None:
            return closing
        if record.flight.claim is None:
            if stopping_s > UNCLAIMED_STOP_S:
                message = "Stopped before an executor began it."
                return await self._give_up(record, record.flight, agent, Reason.CANCELLED, message)
            return None
        if stopping_s > STOP_GRACE_S:
            message = f"Worker {record.flight.claim.worker} was told to stop and did not within {STOP_GRACE_S:g} s."
            return self._closing(record.flight, Outcome.LOST, Reason.CANCELLED, message, retryable=False)
        return None

    async def _late(self, record: TaskRecord, flight: Flight, agent: AgentRecord, late: Hold) -> Closing | None:
        """Nobody has begun the attempt in time, unless somebody did just now."""
        record.flight = flight = flight.with_claim(
            await self._deps.broker.get_claim(flight.key), self._deps.clock.monotonic()
        )
        if flight.claim is not None:
            return None
        return await self._give_up(record, flight, agent, Reason.QUEUE_TIMEOUT, late.message)

    async def _give_up(
        self, record: TaskRecord, flight: Flight, agent: AgentRecord, reason: Reason, message: str
    ) -> Closing | None:
        """End an attempt that nobody began. In Job mode its number is used up: Ray has had a job of its name."""
        await self._take_back(record, flight)
        if flight.mode != "Job":
            return None
        submission_id = attempt_submission_id(flight.key.task_uid, flight.key.number)
        await self._deps.ray.stop(agent.reach_ray(), submission_id)
        is_retryable = reason == Reason.JOB_FAILED
        return self._closing(flight, Outcome.LOST, reason, message, retryable=is_retryable)

    async def _follow(self, record: TaskRecord, flight: Flight, agent: AgentRecord) -> Closing | None:
        """Look at an attempt by its claim."""
        try:
            claim = await self._deps.broker.get_claim(flight.key)
        except MessageError as error:
            return self._closing(flight, Outcome.LOST, Reason.EXECUTOR_LOST, f"The claim is unreadable: {error}")
        flight = record.flight = flight.with_claim(claim, self._deps.clock.monotonic())
        if flight.claim is None:
            return await self._unclaimed(record, flight, agent)
        return await self._claimed(record, flight, flight.claim, agent)

    async def _arrived(self, record: TaskRecord) -> Arrival | None:
        """Return the response of the present attempt; settle those of past ones."""
        last_closed = record.task.status.last_closed if record.task else 0
        present: Arrival | None = None
        for arrival in sorted(record.arrivals, key=lambda a: a.sequence):  # of repeated ones the first
            if record.task is not None and arrival.key.number > last_closed:
                present = present or arrival
            else:
                await self.drop_late(record, arrival)
        return present

    def sweep_up(self, namespace: str, key: AttemptKey) -> None:
        """The task of an attempt was deleted: what the attempt left goes with it."""
        self._cleaner.add(Leftover(namespace, key, is_gone=True))

    def drop_input(self, namespace: str, key: AttemptKey) -> None:
        """An attempt ended: nobody needs the object with its input any more."""
        self._cleaner.add(Leftover(namespace, key, is_input=True))

    async def drop_late(self, record: TaskRecord, arrival: Arrival) -> None:
        """Settle a response that comes after its attempt was closed."""
        record.arrivals.remove(arrival)
        if arrival.delivery is not None:
            await arrival.delivery.ack()
            self._deps.metrics.count("results_dropped", reason="AttemptClosed")

    async def _abandoned(self, record: TaskRecord, flight: Flight) -> Closing:
        retained = await self._retained(record, flight.key)
        if retained is not None:
            return retained
        self._cleaner.add(Leftover(record.name[0], flight.key))
        message = f"CognitiveAgent {record.agent[0]}/{record.agent[1]} was deleted."
        return self._closing(flight, Outcome.FAILED, Reason.AGENT_DELETED, message, is_counted=False)

    async def _unclaimed(self, record: TaskRecord, flight: Flight, agent: AgentRecord) -> Closing | None:
        age_s = self._deps.clock.monotonic() - flight.since_s
        is_held = (agent.agent.spec.suspend or agent.is_changing) and flight.mode != "Job"
        if flight.mode != agent.agent.spec.execution.mode or is_held:
            await self._take_back(record, flight)
            return None
        if flight.stopping_since_s is not None:
            return None
        if flight.mode == "Job":
            return await self._job_unclaimed(record, flight, agent) if age_s > RAY_LOOK_AFTER_S else None
        if age_s > REPUBLISH_AFTER_S and agent.blocker is None:
            await self._take_back(record, flight)
        return None

    async def _take_back(self, record: TaskRecord, flight: Flight) -> None:
        """Delete a request that nobody claimed; the same attempt is published anew.

        Safe although somebody may claim it now: the claim, not the request, allows one execution.
        """
        await self._deps.broker.delete_request(request_subject(record.name[0], flight.key))
        record.flight = None
        self._index.put_back(record)

    async def _job_unclaimed(self, record: TaskRecord, flight: Flight, agent: AgentRecord) -> Closing | None:
        submission_id = attempt_submission_id(flight.key.task_uid, flight.key.number)
        job = await self._deps.ray.get(agent.reach_ray(), submission_id)
        if job is None:
            return await self.submit(flight, agent)
        if not job.is_terminal:
            age_s = self._deps.clock.monotonic() - flight.since_s
            message = f"Ray did not start job {submission_id} within {JOB_START_S:g} s: it is {job.status}."
            late = age_s > JOB_START_S and job.status == "PENDING"
            return await self._give_up(record, flight, agent, Reason.JOB_FAILED, message) if late else None
        claim = await self._deps.broker.get_claim(flight.key)
        if claim is not None:
            return None
        retained = await self._retained(record, flight.key)
        message = f"Ray job {submission_id} is {job.status} and never began the attempt: {job.message}"
        return retained or self._closing(flight, Outcome.FAILED, Reason.JOB_FAILED, message)

    async def submit(self, flight: Flight, agent: AgentRecord) -> Closing | None:
        """Submit the Ray job of an attempt in Job mode; return a closing when Ray refuses it for good."""
        try:
            await self._deps.ray.submit(
                agent.reach_ray(), desired_attempt(agent.agent, flight.key, self._deps.environment)
            )
        except RayRefusedError as error:
            return self._closing(flight, Outcome.FAILED, Reason.JOB_FAILED, str(error))
        return None

    async def _claimed(self, record: TaskRecord, flight: Flight, claim: Claim, agent: AgentRecord) -> Closing | None:
        claimed_s = self._deps.clock.monotonic() - (flight.claimed_since_s or 0.0)
        if claim.state == "ended":
            return await self._ended(record, flight, claimed_s)
        if self._is_lost(claim, flight, agent):
            retained = await self._retained(record, flight.key)
            message = f"Worker {claim.worker} stopped renewing its lease."
            return retained or self._closing(flight, Outcome.LOST, Reason.EXECUTOR_LOST, message)
        timeout_s = record.task.timeout_s(agent.agent) if record.task else 0
        if claimed_s > timeout_s + DEADLINE_GRACE_S:
            self._cleaner.add(Leftover(record.name[0], flight.key))
            message = f"The attempt ran longer than its {timeout_s} s and its worker did not end it."
            return self._closing(flight, Outcome.FAILED, Reason.DEADLINE_EXCEEDED, message, retryable=False)
        return None

    async def _ended(self, record: TaskRecord, flight: Flight, claimed_s: float) -> Closing | None:
        """A claim ends after its response is in the stream: read it there if the consumer has not brought it."""
        retained = await self._retained(record, flight.key)
        if retained is None and claimed_s > RESULT_LOST_S:
            message = "The attempt ended, but its response is not in the stream any more."
            return self._closing(flight, Outcome.LOST, Reason.RESULT_LOST, message)
        return retained

    def _is_lost(self, claim: Claim, flight: Flight, agent: AgentRecord) -> bool:
        seen = agent.workers.get(claim.worker)
        last_s = seen.changed_s if seen else flight.claimed_since_s or 0.0
        looked_s = min(agent.leases_at_s, self._deps.clock.monotonic())
        return looked_s - max(last_s, self._deps.broker.connected_since) > LEASE_LOST_S

    async def _retained(self, record: TaskRecord, key: AttemptKey) -> Closing | None:
        """Return how an executor ended the attempt by its word in the stream; of repeated ones by the first."""
        subjects = responses_of_attempt(record.name[0], key)
        for response in await self._deps.broker.read_responses(subjects, 0, MAX_MESSAGES):
            if is_note(response.subject):
                continue
            try:
                namespace, _, content = verified(response, self._deps.master_key)
            except MessageError as error:
                logger.warning(
                    "ignored a retained response", extra={"subject": response.subject, "reason": error.reason}
                )
                continue
            record.arrivals.append(Arrival(namespace, key, content, None, response.sequence))
            return closing_of(key, content, response.sequence)
        return None

    def _closing(
        self,
        flight: Flight,
        outcome: Outcome,
        reason: Reason,
        message: str,
        *,
        retryable: bool = True,
        is_counted: bool = True,
    ) -> Closing:
        return Closing(
            key=flight.key,
            mode=flight.mode,
            outcome=outcome,
            finished_at=self._deps.clock.now(),
            reason=reason,
            message=message,
            retryable=retryable,
            is_counted=is_counted,
            claim=flight.claim,
        )
