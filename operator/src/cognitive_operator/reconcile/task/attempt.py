"""Looks at an attempt in flight: has it ended, and how."""

from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.names import AttemptKey, attempt_submission_id, response_subject
from cognitive_operator.api.wire import SIGNATURE_HEADER, Claim, attempt_key, sign
from cognitive_operator.desired.ray_job import desired_attempt
from cognitive_operator.errors import MessageError, RayRefusedError
from cognitive_operator.plan.attempt import AttemptEnd, InFlightAttempt, attempt_end
from cognitive_operator.plan.closed_response import closed_response
from cognitive_operator.plan.gate import queue_timeout, spec_gate
from cognitive_operator.plan.task import RUNNING_AFTER_S
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup, AttemptGarbage
from cognitive_operator.reconcile.task.responses import ResponseReader
from cognitive_operator.reconcile.task.withdrawal import Withdrawal

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


class AttemptObserver:
    """Finds out how an attempt ended: by its response, else by its claim, its worker's lease and its Ray job."""

    def __init__(self, deps: Deps, index: Index, cleaner: AttemptCleanup) -> None:
        self._deps = deps
        self._index = index
        self._cleaner = cleaner
        self.responses = ResponseReader(deps)
        self._withdrawal = Withdrawal(deps, index)

    async def observe(self, record: TaskRecord) -> AttemptEnd | None:
        """Return how the task's attempt ended, None while it goes on or there is none."""
        closing = await self._look(record)
        if closing is None or closing.sequence is not None or closing.reason == Reason.AGENT_DELETED:
            return closing
        return replace(closing, sequence=await self._note(record, closing))

    async def _note(self, record: TaskRecord, closing: AttemptEnd) -> int:
        """Tell the stream of an end that no executor told it, before the task's status says so."""
        namespace, name = record.name
        subject = response_subject("closed", namespace, closing.key)
        payload = closed_response(closing, namespace, name).model_dump_json().encode()
        key = attempt_key(self._deps.master_key, closing.key.task_uid, closing.key.number)
        return await self._deps.broker.responses.publish_closed(
            subject, payload, {SIGNATURE_HEADER: sign(key, subject, payload)}
        )

    async def _look(self, record: TaskRecord) -> AttemptEnd | None:
        arrival = await self.responses.present(record)
        if arrival is not None:
            return attempt_end(arrival.key, arrival.response, arrival.sequence)
        if record.flight is None:
            return None
        agent = self._index.agent_of(record)
        if agent is None or agent.agent.metadata.uid != record.flight.key.agent_uid:
            return await self._abandoned(record, record.flight)
        return await self._look_at_flight(record, record.flight, agent)

    async def _look_at_flight(
        self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord
    ) -> AttemptEnd | None:
        if record.task is not None and spec_gate(record.task.spec) is not None:
            return await self._stopped(record, flight, agent)
        if record.task is not None and flight.claim is None:
            late = queue_timeout(record.task, agent.agent, self._deps.kube.server_time())
            if late is not None:
                return await self._withdrawal.late(record, flight, agent, late)
        if self._deps.clock.monotonic() - flight.since_s < RUNNING_AFTER_S:
            return None
        return await self._follow(record, flight, agent)

    async def _stopped(self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord) -> AttemptEnd | None:
        """Stop an attempt on its task's word: its executor says how it ended, else the operator does."""
        now_s = self._deps.clock.monotonic()
        if flight.stopping_since_s is None:
            record.flight = replace(flight, stopping_since_s=now_s)
            self._cleaner.add(AttemptGarbage(record.name[0], flight.key))
            return None
        closing = await self._follow(record, flight, agent)
        stopping_s = now_s - flight.stopping_since_s
        if closing is not None or record.flight is None:
            return closing
        if record.flight.claim is None:
            if stopping_s > UNCLAIMED_STOP_S:
                message = "Stopped before an executor began it."
                return await self._withdrawal.give_up(record, record.flight, agent, Reason.CANCELLED, message)
            return None
        if stopping_s > STOP_GRACE_S:
            message = f"Worker {record.flight.claim.worker} was told to stop and did not within {STOP_GRACE_S:g} s."
            return record.flight.closed(
                self._deps.clock.now(), Outcome.LOST, Reason.CANCELLED, message, retryable=False
            )
        return None

    async def _follow(self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord) -> AttemptEnd | None:
        """Look at an attempt by its claim."""
        try:
            claim = await self._deps.broker.claims.get(flight.key)
        except MessageError as error:
            return flight.closed(
                self._deps.clock.now(), Outcome.LOST, Reason.EXECUTOR_LOST, f"The claim is unreadable: {error}"
            )
        flight = record.flight = flight.with_claim(claim, self._deps.clock.monotonic())
        if flight.claim is None:
            return await self._unclaimed(record, flight, agent)
        return await self._claimed(record, flight, flight.claim, agent)

    def clean_up(self, namespace: str, key: AttemptKey) -> None:
        """The task of an attempt was deleted: what the attempt left goes with it."""
        self._cleaner.add(AttemptGarbage(namespace, key, is_gone=True))

    def drop_input(self, namespace: str, key: AttemptKey) -> None:
        """An attempt ended: nobody needs the object with its input any more."""
        self._cleaner.add(AttemptGarbage(namespace, key, is_input=True))

    async def _abandoned(self, record: TaskRecord, flight: InFlightAttempt) -> AttemptEnd:
        retained = await self.responses.retained(record, flight.key)
        if retained is not None:
            return retained
        self._cleaner.add(AttemptGarbage(record.name[0], flight.key))
        message = f"CognitiveAgent {record.agent[0]}/{record.agent[1]} was deleted."
        return flight.closed(self._deps.clock.now(), Outcome.FAILED, Reason.AGENT_DELETED, message, is_counted=False)

    async def _unclaimed(self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord) -> AttemptEnd | None:
        age_s = self._deps.clock.monotonic() - flight.since_s
        is_held = (agent.agent.spec.suspend or agent.ray.is_updating) and flight.mode != "Job"
        if flight.mode != agent.agent.spec.execution.mode or is_held:
            await self._withdrawal.take_back(record, flight)
            return None
        if flight.stopping_since_s is not None:
            return None
        if flight.mode == "Job":
            return await self._job_unclaimed(record, flight, agent) if age_s > RAY_LOOK_AFTER_S else None
        if age_s > REPUBLISH_AFTER_S and agent.blocker is None:
            await self._withdrawal.take_back(record, flight)
        return None

    async def _job_unclaimed(
        self, record: TaskRecord, flight: InFlightAttempt, agent: AgentRecord
    ) -> AttemptEnd | None:
        submission_id = attempt_submission_id(flight.key.task_uid, flight.key.number)
        job = await self._deps.ray.get(agent.reach_ray(), submission_id)
        if job is None:
            return await self.submit(flight, agent)
        if not job.is_terminal:
            age_s = self._deps.clock.monotonic() - flight.since_s
            message = f"Ray did not start job {submission_id} within {JOB_START_S:g} s: it is {job.status}."
            late = age_s > JOB_START_S and job.status == "PENDING"
            return await self._withdrawal.give_up(record, flight, agent, Reason.JOB_FAILED, message) if late else None
        claim = await self._deps.broker.claims.get(flight.key)
        if claim is not None:
            return None
        retained = await self.responses.retained(record, flight.key)
        message = f"Ray job {submission_id} is {job.status} and never began the attempt: {job.message}"
        return retained or flight.closed(self._deps.clock.now(), Outcome.FAILED, Reason.JOB_FAILED, message)

    async def submit(self, flight: InFlightAttempt, agent: AgentRecord) -> AttemptEnd | None:
        """Submit the Ray job of an attempt in Job mode; return a closing when Ray refuses it for good."""
        try:
            await self._deps.ray.submit(
                agent.reach_ray(), desired_attempt(agent.agent, flight.key, self._deps.environment)
            )
        except RayRefusedError as error:
            return flight.closed(self._deps.clock.now(), Outcome.FAILED, Reason.JOB_FAILED, str(error))
        return None

    async def _claimed(
        self, record: TaskRecord, flight: InFlightAttempt, claim: Claim, agent: AgentRecord
    ) -> AttemptEnd | None:
        claimed_s = self._deps.clock.monotonic() - (flight.claimed_since_s or 0.0)
        if claim.state == "ended":
            return await self._ended(record, flight, claimed_s)
        if self._is_lost(claim, flight, agent):
            retained = await self.responses.retained(record, flight.key)
            message = f"Worker {claim.worker} stopped renewing its lease."
            return retained or flight.closed(self._deps.clock.now(), Outcome.LOST, Reason.EXECUTOR_LOST, message)
        timeout_s = record.task.timeout_s(agent.agent) if record.task else 0
        if claimed_s > timeout_s + DEADLINE_GRACE_S:
            self._cleaner.add(AttemptGarbage(record.name[0], flight.key))
            message = f"The attempt ran longer than its {timeout_s} s and its worker did not end it."
            return flight.closed(
                self._deps.clock.now(), Outcome.FAILED, Reason.DEADLINE_EXCEEDED, message, retryable=False
            )
        return None

    async def _ended(self, record: TaskRecord, flight: InFlightAttempt, claimed_s: float) -> AttemptEnd | None:
        """A claim ends after its response is in the stream: read it there if the consumer has not brought it."""
        retained = await self.responses.retained(record, flight.key)
        if retained is None and claimed_s > RESULT_LOST_S:
            message = "The attempt ended, but its response is not in the stream any more."
            return flight.closed(self._deps.clock.now(), Outcome.LOST, Reason.RESULT_LOST, message)
        return retained

    def _is_lost(self, claim: Claim, flight: InFlightAttempt, agent: AgentRecord) -> bool:
        seen = agent.workers.get(claim.worker)
        last_s = seen.changed_s if seen else flight.claimed_since_s or 0.0
        looked_s = min(agent.leases_at_s, self._deps.clock.monotonic())
        return looked_s - max(last_s, self._deps.broker.connection.ready_since_s) > LEASE_LOST_S
