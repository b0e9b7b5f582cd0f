"""Observes a task's attempt and carries out the step that ``plan.attempt`` decides on."""

from dataclasses import replace

from cognitive_operator.api.names import attempt_submission_id, request_subject, response_subject
from cognitive_operator.api.resources import Task
from cognitive_operator.api.wire import SIGNATURE_HEADER, attempt_key, sign
from cognitive_operator.desired.ray_job import desired_attempt
from cognitive_operator.errors import MessageError, RayRefusedError
from cognitive_operator.plan.attempt import (
    AttemptTiming,
    Close,
    Read,
    Step,
    Stop,
    Submit,
    TakeBack,
    plan_attempt,
    refused_job,
)
from cognitive_operator.plan.attempt_facts import AttemptFacts, LeaseFacts, Reading, Source
from cognitive_operator.plan.closed_response import closed_response
from cognitive_operator.plan.in_flight import AttemptEnd, InFlightAttempt, attempt_end
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import AgentRecord
from cognitive_operator.reconcile.state.task_record import PendingResponse, TaskRecord
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup
from cognitive_operator.reconcile.task.responses import ResponseReader


class AttemptObserver:
    """Reads the facts that ``plan_attempt`` decides on, and no more than it asks for; writes nothing."""

    def __init__(self, deps: Deps, index: Index, responses: ResponseReader, timing: AttemptTiming) -> None:
        self._deps = deps
        self._index = index
        self._responses = responses
        self._timing = timing

    async def observe_attempt(self, record: TaskRecord, task: Task) -> AttemptFacts:
        """Return the facts about a task's attempt, with every source read that its next step depends on.

        Raises:
            TransientError: A source cannot be read now; retry.
        """
        agent = self._index.agent_of(record)
        facts = self._known(record, task, agent)
        while isinstance(step := plan_attempt(facts, self._timing), Read) and facts.attempt is not None:
            facts = await self._read(facts, facts.attempt, step.source, agent)
        return facts

    def _known(self, record: TaskRecord, task: Task, agent: AgentRecord | None) -> AttemptFacts:
        pending = record.open_response()
        return AttemptFacts(
            attempt=record.attempt,
            task=task,
            agent=agent.agent if agent else None,
            response=attempt_end(pending.key, pending.response, pending.sequence) if pending else None,
            is_ray_changing=agent is not None and agent.is_changing,
            is_agent_blocked=agent is not None and agent.blocker is not None,
            server_time_s=self._deps.kube.server_time(),
            now_s=self._deps.clock.monotonic(),
            now=self._deps.clock.now(),
        )

    async def _read(
        self, facts: AttemptFacts, attempt: InFlightAttempt, source: Source, agent: AgentRecord | None
    ) -> AttemptFacts:
        match source:
            case Source.CLAIM:
                facts = await self._with_claim(facts, attempt, agent)
            case Source.SECOND_CLAIM:
                facts = replace(facts, second_claim=Reading(await self._deps.broker.claims.get(attempt.key)))
            case Source.JOB:
                assert agent is not None, "a job is asked for only on behalf of an agent that exists"
                submission_id = attempt_submission_id(attempt.key.task_uid, attempt.key.number)
                facts = replace(facts, job=Reading(await self._deps.ray.get(agent.reach_ray(), submission_id)))
            case Source.RESPONSES:
                namespace = facts.task.metadata.namespace
                facts = replace(facts, retained=Reading(await self._responses.retained(namespace, attempt.key)))
        return replace(facts, now_s=self._deps.clock.monotonic(), now=self._deps.clock.now())

    async def _with_claim(
        self, facts: AttemptFacts, attempt: InFlightAttempt, agent: AgentRecord | None
    ) -> AttemptFacts:
        try:
            claim = await self._deps.broker.claims.get(attempt.key)
        except MessageError as error:
            return replace(facts, claim_fault=str(error))
        attempt = attempt.with_claim(claim, self._deps.clock.monotonic())
        return replace(facts, attempt=attempt, claim=Reading(claim), lease=self._lease(attempt, agent))

    def _lease(self, attempt: InFlightAttempt, agent: AgentRecord | None) -> LeaseFacts | None:
        if attempt.claim is None or agent is None:
            return None
        seen = agent.workers.get(attempt.claim.worker)
        return LeaseFacts(
            seen.changed_s if seen else None, agent.leases_at_s, self._deps.broker.connection.ready_since_s
        )


class AttemptExecutor:
    """Takes a task's attempt a step further."""

    def __init__(self, deps: Deps, index: Index, cleanup: AttemptCleanup, timing: AttemptTiming) -> None:
        self._deps = deps
        self._index = index
        self._cleanup = cleanup
        self._timing = timing
        self._observer = AttemptObserver(deps, index, ResponseReader(deps), timing)

    async def advance(self, uid: str) -> AttemptEnd | None:
        """Carry out the next step for a task's attempt; return the attempt's end, None while it has not ended.

        Raises:
            TransientError: Retry.
        """
        record = self._index.tasks.get(uid)
        if record is None or record.task is None:
            return None
        facts = await self._observer.observe_attempt(record, record.task)
        if facts.attempt is not record.attempt:
            self._index.update_task(uid, attempt=facts.attempt)
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
                return await self._submit(record, step)
            case Stop():
                self._index.update_task(record.uid, attempt=step.attempt)
                self._cleanup.add(AttemptGarbage(record.name[0], step.attempt.key))
        return None

    async def _close(self, record: TaskRecord, step: Close) -> AttemptEnd:
        if step.stops_executor:
            self._cleanup.add(AttemptGarbage(record.name[0], step.end.key))
        if step.publishes_response:
            return await self._with_closed_response(record, step.end)
        self._keep_response(record.uid, step.end)
        return step.end

    def _keep_response(self, uid: str, end: AttemptEnd) -> None:
        """Keep a response that was read from the stream, until the status reports the end."""
        record = self._index.tasks.get(uid)
        if record is None or end.response is None or end.sequence is None:
            return
        if all(pending.sequence != end.sequence for pending in record.pending_responses):
            pending = PendingResponse(end.key, end.response, None, end.sequence)
            self._index.update_task(uid, pending_responses=(*record.pending_responses, pending))

    async def _take_back(self, record: TaskRecord, step: TakeBack) -> AttemptEnd | None:
        key, agent = step.attempt.key, self._index.agent_of(record)
        if step.end is not None and agent is None:
            return None  # the agent was deleted while its attempt was observed, which ends the attempt in another way
        await self._deps.broker.requests.delete(request_subject(record.name[0], key))
        self._index.update_task(record.uid, attempt=None)
        self._index.put_back(record.uid)
        if step.end is None or agent is None:
            return None
        await self._deps.ray.stop(agent.reach_ray(), attempt_submission_id(key.task_uid, key.number))
        return await self._with_closed_response(record, step.end)

    async def _submit(self, record: TaskRecord, step: Submit) -> AttemptEnd | None:
        agent = self._index.agent_of(record)
        refusal = await self.submit(step.attempt, agent) if agent is not None else None
        if refusal is None:
            return None
        return await self._close(record, refused_job(step.attempt, self._deps.clock.now(), refusal))

    async def submit(self, attempt: InFlightAttempt, agent: AgentRecord) -> str | None:
        """Submit the Ray job of an attempt; return the reason when Ray refuses the job for good."""
        submission = desired_attempt(agent.agent, attempt.key, self._deps.environment)
        try:
            await self._deps.ray.submit(agent.reach_ray(), submission)
        except RayRefusedError as error:
            return str(error)
        return None

    async def _with_closed_response(self, record: TaskRecord, end: AttemptEnd) -> AttemptEnd:
        """Publish the end of an attempt to the stream of responses, before the task's status reports it."""
        namespace, name = record.name
        subject = response_subject("closed", namespace, end.key)
        payload = closed_response(end, namespace, name).model_dump_json().encode()
        key = attempt_key(self._deps.master_key, end.key.task_uid, end.key.number)
        headers = {SIGNATURE_HEADER: sign(key, subject, payload)}
        return replace(end, sequence=await self._deps.broker.responses.publish_closed(subject, payload, headers))
