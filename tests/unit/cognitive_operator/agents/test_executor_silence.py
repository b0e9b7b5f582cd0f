"""An executor that runs and does not report: from when its log is read, and what the condition says."""

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.wire import Lease
from cognitive_operator.errors import RayUnavailableError
from cognitive_operator.plan.agent.ray.executor import ExecutorPlan
from cognitive_operator.ports.ray import RayJob
from cognitive_operator.reconcile.agent.silence import ExecutorSilence
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock
from support.fakes.ray import FakeRay
from support.fakes.recorder import Recorder

TIMING = AgentTiming()
CAUSE = "No connection to the broker at nats://nats:4222: Connection refused."
LOG = f'{{"event": "BrokerUnreachable", "message": "{CAUSE}"}}'
REMEDY = (
    "Check that the Ray cluster can reach that URL: the operator's COGNITIVE_RAY_NATS_URL, name resolution and network "
    "policies."
)
RUNNING = ExecutorPlan("ca-1", None, (), None, is_running=True)


def lease(submission_id: str) -> Lease:
    times = {"started_at": o.NOW, "renewed_at": o.NOW}
    who = {"worker": "w", "agent_uid": o.AGENT_UID, "submission_id": submission_id, "mode": "Embedded"}
    return Lease.model_validate(who | times | {"ready": True, "capacity": 8, "runtime_version": "0"})


class Scene:
    """An agent whose executor is observed."""

    def __init__(self) -> None:
        self.index, self.clock, self.recorder = Index(), FakeClock(1000.0), Recorder()
        self.ray = FakeRay(self.recorder)
        self.ray.logs = {"ca-1": LOG, "ca-2": LOG}
        self.index.upsert_agent(o.agent_body())
        self.silence = ExecutorSilence(self.index, self.ray, self.clock, TIMING)

    async def observe(self, after_s: float = 0.0, plan: ExecutorPlan = RUNNING, *leases: Lease) -> Condition | None:
        self.clock.advance(after_s)
        return await self.silence.refresh(self.index.agents["team", "sre"], plan, leases)

    @property
    def reads(self) -> int:
        return len(self.recorder.of("ray.read_log"))


async def test_a_running_executor_without_a_lease_is_explained_by_its_log_after_a_minute() -> None:
    scene = Scene()
    assert await scene.observe() is None
    assert await scene.observe(TIMING.executor_silent_s - 1) is None
    assert scene.reads == 0
    found = await scene.observe(1.0)
    assert found is not None
    assert (found.type, found.status, found.reason) == ("ExecutorReady", "False", "BrokerUnreachable")
    assert found.message == f"Ray job ca-1 runs, and no worker has reported for 60 s or more. {CAUSE} {REMEDY}"


async def test_the_log_is_read_again_at_an_interval_and_the_cause_stays_meanwhile() -> None:
    scene = Scene()
    await scene.observe()
    first = await scene.observe(TIMING.executor_silent_s)
    scene.ray.logs["ca-1"] = "ImportError: no module"
    assert await scene.observe(TIMING.log_every_s - 1) == first
    found = await scene.observe(1.0)
    assert found is not None
    assert (found.reason, scene.reads) == ("ExecutorNotReporting", 2)
    assert "Its log ends with: ImportError: no module. Read the whole log with `ray job logs`" in found.message


async def test_a_lease_ends_the_silence_and_another_job_begins_a_new_one() -> None:
    scene = Scene()
    await scene.observe()
    assert await scene.observe(TIMING.executor_silent_s, RUNNING, lease("ca-1")) is None
    assert await scene.observe(1.0, RUNNING, lease("ca-0")) is None
    assert await scene.observe(TIMING.executor_silent_s - 1) is None
    assert await scene.observe(1.0, ExecutorPlan("ca-2", None, (), None, is_running=True)) is None
    assert scene.reads == 0


async def test_a_job_that_ray_has_not_started_is_not_silent() -> None:
    scene = Scene()
    pending = ExecutorPlan("ca-1", None, (), None)
    assert [await scene.observe(TIMING.executor_silent_s, pending) for _ in range(3)] == [None] * 3


async def test_a_log_that_cannot_be_read_is_told() -> None:
    scene = Scene()
    scene.ray.logs["ca-1"] = RayUnavailableError("http://ray:8265: HTTP 500")
    await scene.observe()
    found = await scene.observe(TIMING.executor_silent_s)
    assert found is not None
    assert found.reason == "ExecutorNotReporting"
    assert "(it cannot be read: http://ray:8265: HTTP 500)" in found.message


async def test_the_end_without_a_broker_is_told_while_the_next_job_starts() -> None:
    scene = Scene()
    ended = RayJob("ca-a1-0a1b-1", "FAILED", f"exit code 6, last available logs:\n{LOG}", exit_code=6)
    found = await scene.observe(0.0, ExecutorPlan("ca-2", None, (), None, ended, is_running=True))
    assert found is not None
    head = "Ray job ca-a1-0a1b-N of the executor ended, and is started again with growing pauses."
    assert (found.reason, found.message) == ("BrokerUnreachable", f"{head} {CAUSE} {REMEDY}")
    assert await scene.observe(0.0, ExecutorPlan("ca-2", None, (), None, ended), lease("ca-2")) is None
