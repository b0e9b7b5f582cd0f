"""Observes executors whose Ray job runs without a worker that reports to the broker."""

from collections.abc import Sequence
from dataclasses import replace

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.wire import Lease
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.plan.agent.ray.executor import ExecutorPlan
from cognitive_operator.plan.job_log import JobCause, ended_job, read_log
from cognitive_operator.plan.silence import executor_problem
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.ray import RayJobs
from cognitive_operator.reconcile.state.agent_record import AgentRecord, SilentExecutor
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming


class ExecutorSilence:
    """Reads the log of an executor that has not reported in time."""

    def __init__(self, index: Index, ray: RayJobs, clock: Clock, timing: AgentTiming) -> None:
        self._index = index
        self._ray = ray
        self._clock = clock
        self._timing = timing

    async def refresh(self, record: AgentRecord, plan: ExecutorPlan, leases: Sequence[Lease]) -> Condition | None:
        """Return ExecutorReady, False, once the job's log or the end of the job before tells why no worker reports."""
        if any(lease.submission_id == plan.current for lease in leases):
            self._index.update_agent(record, silence=None)
            return None
        silence = await self._silence(record, plan)
        self._index.update_agent(record, silence=silence)
        if silence is not None and silence.problem is not None:
            return silence.problem
        if plan.cut_off is None:
            return None
        jobs = plan.cut_off.submission_id.rpartition("-")[0]  # without the number of the start: the message stays equal
        head = f"Ray job {jobs}-N of the executor ended, and is started again with growing pauses."
        return executor_problem(record.agent, head, ended_job(plan.cut_off))

    async def _silence(self, record: AgentRecord, plan: ExecutorPlan) -> SilentExecutor | None:
        if plan.current is None or not plan.is_running:
            return None
        now_s, known = self._clock.monotonic(), self._index.latest(record).silence
        if known is None or known.submission_id != plan.current:
            return SilentExecutor(plan.current, now_s)
        is_late = now_s - known.since_s >= self._timing.executor_silent_s
        if not is_late or now_s - known.read_at_s < self._timing.log_every_s:
            return known
        return replace(known, read_at_s=now_s, problem=await self._problem(record, plan.current))

    async def _problem(self, record: AgentRecord, submission_id: str) -> Condition:
        limit_s = self._timing.executor_silent_s
        head = f"Ray job {submission_id} runs, and no worker has reported for {limit_s:g} s or more."
        try:
            cause = read_log(await self._ray.read_log(record.require_ray_target(), submission_id))
        except (RayUnavailableError, RayRefusedError) as error:
            cause = JobCause(None, f"(it cannot be read: {error})")
        return executor_problem(record.agent, head, cause)
