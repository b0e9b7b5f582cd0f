"""Observes a task's attempt and carries out the step that ``plan.attempt.next_step`` decides on."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cognitive_operator.api.names import AGENT_PLURAL, request_subject
from cognitive_operator.api.resources import Task
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.attempt.facts import AttemptFacts, LeaseFacts, Reading, Source
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt
from cognitive_operator.plan.attempt.next_step import plan_attempt
from cognitive_operator.plan.attempt.steps import Close, Read, Step, Stop, Submit, TakeBack
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.ports.broker import Claims, ConnectionState, Requests
from cognitive_operator.ports.kube import Resources
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.deletion_log import log_deletion
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import PendingResponse, TaskRecord
from cognitive_operator.reconcile.task.job_calls import JobCalls
from cognitive_operator.reconcile.task.responses import ClosedResponses, ResponseReader


@dataclass(frozen=True)
class AttemptSources:
    """The sources of facts about attempts."""

    claims: Claims
    requests: Requests
    connection: ConnectionState
    responses: ResponseReader
    jobs: JobCalls
    resources: Resources
    clocks: Clocks


class AttemptObserver:
    """Reads the facts that ``plan_attempt`` decides on, and no more than it asks for; writes nothing."""

    def __init__(self, sources: AttemptSources, index: Index, timing: AttemptTiming) -> None:
        self._sources = sources
        self._clocks = sources.clocks
        self._index = index
        self._timing = timing

    async def observe_attempt(self, record: TaskRecord, task: Task, attempt: InFlightAttempt) -> AttemptFacts:
        """Return the facts about a task's attempt, with every source read that its next step depends on.

        Raises:
            TransientError: A source cannot be read now; retry.
        """
        facts = self._known(record, task, attempt)
        while isinstance(step := plan_attempt(facts, self._timing), Read):
            facts = self._refreshed(await self._read(facts, step.source, record), record)
        return facts

    def _known(self, record: TaskRecord, task: Task, attempt: InFlightAttempt) -> AttemptFacts:
        facts = AttemptFacts(
            attempt=attempt,
            task=task,
            agent=None,
            is_ray_changing=False,
            is_agent_blocked=False,
            server_time_s=None,
            now_s=0.0,
            now="",
        )
        return self._refreshed(facts, record)

    def _refreshed(self, facts: AttemptFacts, record: TaskRecord) -> AttemptFacts:
        """Return the facts with the agent and the times as they are now."""
        agent = self._index.agent_of(record)
        return replace(
            facts,
            agent=agent.agent if agent else None,
            is_ray_changing=agent is not None and agent.ray.is_updating,
            is_agent_blocked=agent is not None and agent.blocker is not None,
            server_time_s=self._clocks.server.server_time(),
            now_s=self._clocks.own.monotonic(),
            now=self._clocks.own.now(),
        )

    async def _read(self, facts: AttemptFacts, source: Source, record: TaskRecord) -> AttemptFacts:
        attempt = facts.attempt
        match source:
            case Source.CLAIM:
                return await self._with_claim(facts, record)
            case Source.SECOND_CLAIM:
                return replace(facts, second_claim=Reading(await self._sources.claims.get(attempt.key)))
            case Source.JOB:
                return self._with_job(facts, record)
            case Source.RESPONSES:
                retained = await self._sources.responses.retained(facts.task.metadata.namespace, attempt.key)
                return replace(facts, retained=Reading(retained))
            case Source.REQUEST:
                stored = await self._sources.requests.read(request_subject(record.name[0], attempt.key))
                return replace(facts, attempt=attempt.with_request(stored))
            case Source.AGENT:
                return replace(facts, live_agent_uid=Reading(await self._live_agent_uid(record)))

    async def _live_agent_uid(self, record: TaskRecord) -> str | None:
        """Return the UID of a task's agent in the API server; None if there is none, or if it is being deleted."""
        body = await self._sources.resources.get(AGENT_PLURAL, *record.agent)
        return None if body is None or body["metadata"].get("deletionTimestamp") else str(body["metadata"]["uid"])

    async def _with_claim(self, facts: AttemptFacts, record: TaskRecord) -> AttemptFacts:
        try:
            claim = await self._sources.claims.get(facts.attempt.key)
        except MessageError as error:
            return replace(facts, claim_fault=str(error))
        attempt = facts.attempt.with_claim(claim, self._clocks.own.monotonic())
        return replace(facts, attempt=attempt, claim=Reading(claim), lease=self._lease(attempt, record))

    def _with_job(self, facts: AttemptFacts, record: TaskRecord) -> AttemptFacts:
        """Return the facts with Ray's last answer about the job, and its log if the job is silent for too long."""
        attempt, now_s = facts.attempt, self._clocks.own.monotonic()
        since_s = attempt.running_since_s
        is_silent = since_s is not None and now_s - since_s > self._timing.claim_within_s
        answer = self._sources.jobs.read(record, attempt, with_log=is_silent)
        job = answer.value if isinstance(answer, Reading) else None
        return replace(facts, attempt=attempt.with_job(job, now_s), job=answer, log=self._sources.jobs.log(record))

    def _lease(self, attempt: InFlightAttempt, record: TaskRecord) -> LeaseFacts | None:
        agent = self._index.agent_of(record)
        if attempt.claim is None or agent is None:
            return None
        worker = agent.workers.get(attempt.claim.worker)
        renewed_s = worker.changed_s if worker else None
        return LeaseFacts(renewed_s, agent.leases_at_s, self._sources.connection.ready_since_s)


@dataclass(frozen=True)
class AttemptActions:
    """The effects of steps."""

    requests: Requests
    jobs: JobCalls
    responses: ClosedResponses
    discard: Callable[[AttemptGarbage], None]
    """Stops the executor of an attempt and deletes the attempt's request."""


class AttemptStepper:
    """Takes a task's attempt a step further."""

    def __init__(self, observer: AttemptObserver, actions: AttemptActions, index: Index, timing: AttemptTiming) -> None:
        self._observer = observer
        self._actions = actions
        self._index = index
        self._timing = timing

    async def advance(self, uid: str) -> AttemptEnd | None:
        """Carry out the next step for an attempt whose response was not delivered; return its end, None without one.

        Raises:
            TransientError: The caller should retry.
        """
        record = self._index.tasks.get(uid)
        if record is None or record.task is None or record.attempt is None:
            return None
        facts = await self._observer.observe_attempt(record, record.task, record.attempt)
        if facts.attempt is not record.attempt:
            self._index.update_task(uid, attempt=facts.attempt)
        if facts.job is not None:  # the next step needs a newer answer
            self._index.update_task(uid, job=None)
        if uid not in self._index.tasks:
            return None
        return await self._carry_out(record, plan_attempt(facts, self._timing))

    async def _carry_out(self, record: TaskRecord, step: Step) -> AttemptEnd | None:
        match step:
            case Close():
                return await self._close(record, step)
            case TakeBack():
                return await self._take_back(record, step)
            case Submit():
                self._index.update_task(record.uid, attempt=step.attempt)
                self._actions.jobs.submit(step.attempt, record.agent)
            case Stop():
                self._index.update_task(record.uid, attempt=step.attempt)
                reason = "spec.cancel or spec.suspend of its task is true"
                self._actions.discard(AttemptGarbage(record.name[0], step.attempt.key, reason=reason))
        return None

    async def _close(self, record: TaskRecord, step: Close) -> AttemptEnd:
        if step.stops_executor:
            self._actions.discard(AttemptGarbage(record.name[0], step.end.key, reason=step.end.message))
        if step.publishes_response:
            return await self._actions.responses.publish(record, step.end)
        self._store_response(record.uid, step.end)
        return step.end

    def _store_response(self, uid: str, end: AttemptEnd) -> None:
        """Store a response that was read from the stream in the task's record, until the status reports the end."""
        record = self._index.tasks.get(uid)
        if record is None or end.response is None or end.sequence is None:
            return
        if all(pending.end.sequence != end.sequence for pending in record.pending_responses):
            self._index.update_task(uid, pending_responses=(*record.pending_responses, PendingResponse(end, None)))

    async def _take_back(self, record: TaskRecord, step: TakeBack) -> AttemptEnd | None:
        agent = self._index.agent_of(record)
        subject = request_subject(record.name[0], step.attempt.key)
        if await self._actions.requests.delete(subject):
            reason = step.end.message if step.end is not None else "no executor has claimed it; it is published again"
            log_deletion(f"request {subject}", reason)
        self._index.update_task(record.uid, attempt=None)
        self._index.requeue(record.uid)
        if step.end is None or agent is None:
            return None
        self._actions.jobs.stop(step.attempt, record.agent)
        return await self._actions.responses.publish(record, step.end)
