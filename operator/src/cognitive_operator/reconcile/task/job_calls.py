"""Calls of Ray about attempts in Job mode, apart from the workers that reconcile tasks."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import AttemptKey, ObjectName
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.plan.agent.ray.jobs_api import MAX_FAILURES, JobCall
from cognitive_operator.plan.attempt.facts import JOB_AWAITED, JobAnswer, JobAwaited, JobRefused, Reading
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.state.agent_record import NEVER_S, AgentRecord
from cognitive_operator.reconcile.state.fair_semaphore import PermitLimits
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.task_record import JobObservation, TaskRecord
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.task.job import AttemptJobs

PER_AGENT: Final = 4
WORKERS: Final = PermitLimits(512, per_namespace=32, per_agent=PER_AGENT)
"""Maximum number of calls at once. Each is a connection; a process often has 1,024 file descriptors."""


@dataclass(frozen=True)
class _Call:
    kind: JobCall
    attempt: InFlightAttempt
    agent: ObjectName
    with_log: bool = False
    """True: read the log of a running job, too."""


class JobCalls:
    """Reads, submits and stops the Ray jobs of attempts, a few at once for each agent, until Ray has answered.

    No method waits for Ray. An answer is stored in the task's record, and the task is enqueued.
    """

    def __init__(
        self, jobs: AttemptJobs, index: Index, intake: Intake, clock: Clock, *, backoff_s: tuple[float, ...]
    ) -> None:
        self._jobs = jobs
        self._index = index
        self._intake = intake
        self._clock = clock
        self._calls: dict[AttemptKey, _Call] = {}
        """The call that each attempt waits for; a later one replaces it."""
        self._queue = WorkQueue[AttemptKey]("ray-job", WORKERS, agent_of=self._agent_of, backoff_s=backoff_s)
        self._queue.start(self._handle)

    def read(self, record: TaskRecord, attempt: InFlightAttempt, *, with_log: bool = False) -> JobAnswer | JobAwaited:
        """Return what Ray answered about an attempt's job since its last step, or have Ray asked.

        Args:
            record: The attempt's task.
            attempt: The attempt.
            with_log: True to have the log of a running job read, too; ``log`` returns it.
        """
        observed = self._index.tasks.get(record.uid, record).job
        if observed is not None and observed.number == attempt.key.number:
            return observed.answer
        agent = self._index.agents.get(record.agent)
        if attempt.key not in self._calls:
            self._request(_Call(JobCall.READ, attempt, record.agent, with_log))
        elif agent is not None and agent.blocker is None:  # its Ray answers: try again before the end of a backoff
            self._queue.add(attempt.key)
        return JOB_AWAITED

    def log(self, record: TaskRecord) -> Reading[str] | None:
        """Return the log that came with Ray's last answer about the task's job, None if it was not read."""
        observed = self._index.tasks.get(record.uid, record).job
        return observed.log if observed is not None else None

    def submit(self, attempt: InFlightAttempt, agent: ObjectName) -> None:
        """Have an attempt's job submitted, until Ray has it, refuses it or the attempt no longer needs it."""
        known = self._calls.get(attempt.key)
        if known is None or known.kind is JobCall.READ:
            self._request(_Call(JobCall.SUBMIT, attempt, agent))

    def stop(self, attempt: InFlightAttempt, agent: ObjectName) -> None:
        """Have an attempt's job stopped, in place of any other call about it."""
        self._request(_Call(JobCall.STOP, attempt, agent))

    async def close(self) -> None:
        """Cancel all calls."""
        await self._queue.close()

    def _request(self, call: _Call) -> None:
        self._calls[call.attempt.key] = call
        self._queue.add(call.attempt.key)

    def _agent_of(self, key: AttemptKey) -> ObjectName:
        call = self._calls.get(key)
        return call.agent if call is not None else ("", "")

    async def _handle(self, key: AttemptKey) -> None:
        call = self._calls.get(key)
        agent = self._index.agents.get(call.agent) if call is not None else None
        if call is None or agent is None or agent.uid != key.agent_uid or not self._is_needed(call):
            self._calls.pop(key, None)
            return
        try:
            answer = await self._send(call, agent)
            log = await self._log(call, agent, answer)
        except RayUnavailableError as error:
            self._report(agent, call.kind, str(error))
            raise
        self._report(agent, call.kind, None)
        if self._calls.get(key) is call:
            del self._calls[key]
            self._answer(call, answer, log)

    def _is_needed(self, call: _Call) -> bool:
        """Return True while the attempt is in flight without a claim; a claim proves that its job has started."""
        record = self._index.tasks.get(call.attempt.key.task_uid)
        if call.kind is JobCall.STOP:
            return True
        attempt = record.attempt if record is not None else None
        return attempt is not None and attempt.key == call.attempt.key and attempt.claim is None

    async def _send(self, call: _Call, agent: AgentRecord) -> JobAnswer | None:
        """Return Ray's answer, None if the next step has to read the job.

        Raises:
            RayUnavailableError: Ray did not answer, or refused to show or to stop the job. Retry.
        """
        if call.kind is JobCall.SUBMIT:
            refusal = await self._jobs.submit(call.attempt, agent)
            return JobRefused(refusal) if refusal is not None else None
        try:
            if call.kind is JobCall.READ:
                return Reading(await self._jobs.get(call.attempt, agent))
            await self._jobs.stop(call.attempt, agent)
        except RayRefusedError as error:
            raise RayUnavailableError(str(error)) from error
        return None

    async def _log(self, call: _Call, agent: AgentRecord, answer: JobAnswer | None) -> Reading[str] | None:
        job = answer.value if isinstance(answer, Reading) else None
        if not call.with_log or job is None or job.is_terminal:
            return None
        return Reading(await self._jobs.read_log(call.attempt, agent))

    def _answer(self, call: _Call, answer: JobAnswer | None, log: Reading[str] | None) -> None:
        uid, number = call.attempt.key.task_uid, call.attempt.key.number
        if answer is None or not self._is_needed(call):
            return
        self._index.update_task(uid, job=JobObservation(number, answer, log))
        self._intake.enqueue([uid])

    def _report(self, agent: AgentRecord, kind: JobCall, cause: str | None) -> None:
        """Count a call in the agent's record; have the agent's Ray checked after a failure, and its queue opened."""
        if kind is JobCall.STOP:
            return
        record, now_s = self._index.latest(agent), self._clock.monotonic()
        before = record.jobs_api
        if cause is not None:
            after = before.failed(kind, cause, now_s)
            self._index.update_agent(record, jobs_api=after, ray_at_s=NEVER_S)
            if after.failures <= MAX_FAILURES:
                self._intake.enqueue_agent(agent.name)
        elif before.call is kind:
            self._index.update_agent(record, jobs_api=before.succeeded(kind))
            self._intake.enqueue_agent(agent.name)
