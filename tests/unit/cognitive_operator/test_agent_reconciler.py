"""The reconciliation of an agent: the order of its steps, its queue, its status and its Events."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import AGENT_FINALIZER
from cognitive_operator.api.wire import Lease
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.errors import ApiUnavailableError, ObjectInvalidError, RayUnavailableError
from cognitive_operator.plan.agent import TOKENS_UNLIMITED, ObservedExecutor
from cognitive_operator.plan.features import RETRY_RUNTIME_S, RUNTIME_CURRENT, JobRuntime
from cognitive_operator.plan.hold import Hold
from cognitive_operator.plan.jobs_api import HEALTHY, MAX_FAILURES, REMEMBERED_S, JobCall
from cognitive_operator.plan.ray_cluster import ObservedRay
from cognitive_operator.ports.kube import Body, KubeEvent
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.agent.reconciler import AgentReconciler, AgentSteps
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
TIMING = AgentTiming()
BROKER = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The broker answers.")
NO_BROKER = Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, "no answer")
RAY = ObservedRay(BROKER.with_type(AgentCondition.RAY_READY), RayTarget("http://ray:8265"))
MODEL = BROKER.with_type(AgentCondition.MODEL_READY)


def lease(submission_id: str = "ca-1") -> Lease:
    who = {"worker": "w", "agent_uid": o.AGENT_UID, "submission_id": submission_id, "mode": "Embedded"}
    return Lease.model_validate(
        who | {"ready": True, "capacity": 8, "runtime_version": "1", "started_at": o.NOW, "renewed_at": o.NOW}
    )


@dataclass
class Steps:
    """Every step of the reconciliation; stores what a test says that it observes, and records the calls."""

    index: Index
    broker_condition: Condition = BROKER
    executor_found: ObservedExecutor | Exception = field(
        default_factory=lambda: ObservedExecutor("ca-1", None, (lease(),))
    )
    counters: Counters | Exception = field(default_factory=lambda: Counters(tasks_processed=3))
    runtime: Condition = RUNTIME_CURRENT
    learnt: tuple[LearntModel, ...] = ()
    calls: list[str] = field(default_factory=list)
    written: list[Body] = field(default_factory=list)
    events: list[KubeEvent] = field(default_factory=list)
    is_gone: bool = False
    refused_field: str | None = None
    """Field of the status with which the API server refuses it."""

    async def ensure_finalizer(self, record: AgentRecord) -> None:
        self.calls.append("finalizer")

    async def finalize(self, record: AgentRecord, deleting_since_s: float) -> float | None:
        self.calls.append(f"finalize since {deleting_since_s:g}")
        return 2.0

    async def reconcile(self, record: AgentRecord, now_s: float | None = None) -> Condition:
        if now_s is not None:
            self.calls.append("ray")
            self.index.update_agent(record, ray=RAY, ray_at_s=now_s)
        else:
            self.index.update_agent(record, model=MODEL)
        return self.broker_condition

    async def ensure(self, record: AgentRecord) -> ObservedExecutor:
        self.calls.append("executor")
        if isinstance(self.executor_found, Exception):
            raise self.executor_found
        return self.executor_found

    async def drain_outdated(self, record: AgentRecord, current: str | None) -> None:
        self.calls.append(f"drain all but {current}")

    async def retire(self, record: AgentRecord) -> None:
        self.calls.append("retire")

    async def count(self, record: AgentRecord) -> Counters:
        self.calls.append("count")
        if isinstance(self.counters, Exception):
            raise self.counters
        return self.counters

    def check(self, record: AgentRecord, executor: ObservedExecutor) -> Condition:
        return self.runtime

    def observe(self, record: AgentRecord) -> tuple[LearntModel, ...]:
        return self.learnt

    def check_tokens(self, record: AgentRecord, counters: Counters) -> Condition:
        return TOKENS_UNLIMITED

    async def write_status(self, record: AgentRecord, patch: Body) -> bool:
        if self.refused_field in patch:
            raise ObjectInvalidError(f"PATCH: 422 {self.refused_field} is invalid")
        self.written.append(patch)
        body, meta = record.body, record.body["metadata"]
        version = str(record.version + 1)
        status = (body.get("status") or {}) | {name: value for name, value in patch.items() if value is not None}
        self.index.upsert_agent(body | {"metadata": meta | {"resourceVersion": version}, "status": status})
        return not self.is_gone

    def emit_event(self, record: AgentRecord, event: KubeEvent) -> None:
        self.events.append(event)


class Scene:
    """One agent and its reconciler."""

    def __init__(self, **spec: Any) -> None:
        self.index = Index()
        self.index.is_settled = True
        self.steps, self.clock = Steps(self.index), FakeClock(1000.0)
        self.enqueued: list[str] = []
        body = o.agent_body(**spec)
        body["metadata"]["finalizers"] = [AGENT_FINALIZER]
        self.index.upsert_agent(body)
        port: Any = self.steps
        steps = AgentSteps(*[port] * 12)
        self.reconciler = AgentReconciler(self.index, steps, self.enqueued.append, self.clock, TIMING)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents[NAME]

    async def reconcile(self, after_s: float = 0.0) -> float | None:
        self.clock.advance(after_s)
        self.steps.calls.clear()
        return await self.reconciler.reconcile(NAME)

    def ready(self) -> tuple[str, str]:
        conditions = self.steps.written[-1]["conditions"]
        return next((c["status"], c["reason"]) for c in conditions if c["type"] == "Ready")


async def test_an_agent_with_all_it_needs_opens_its_queue_and_says_so_once() -> None:
    scene = Scene()
    scene.index.upsert_task(o.task_body(), 0.0)
    assert await scene.reconcile() == TIMING.observe_every_s
    assert scene.steps.calls == ["finalizer", "ray", "executor", "retire", "count"]
    assert scene.ready() == ("True", Reason.AVAILABLE)
    assert (scene.record.blocker, scene.index.queue_of(NAME).capacity, scene.enqueued) == (None, 8, [o.TASK_UID])
    assert scene.steps.events == [KubeEvent("Normal", "Available", "The agent accepts tasks.")]
    (written,) = scene.steps.written
    assert (written["tasksProcessed"], written["endpoints"]["ray"]) == (3, "http://ray:8265")
    await scene.reconcile(1.0)
    assert scene.steps.calls == ["finalizer", "executor", "retire"]
    assert (len(scene.steps.written), len(scene.steps.events)) == (1, 1)


@pytest.mark.parametrize(("slots", "expected"), [(0, "drain all but None"), (2, "executor")])
async def test_an_agent_in_job_mode_has_an_executor_for_its_warm_slots_alone(slots: int, expected: str) -> None:
    scene = Scene(execution={"mode": "Job", "job": {"warmSlots": slots}})
    slot = lease().model_copy(update={"mode": "Job", "features": ("warm_slots",), "capacity": 1})
    scene.steps.executor_found = ObservedExecutor("ca-1", None, (slot,))
    await scene.reconcile()
    queue = scene.index.queue_of(NAME)
    assert expected in scene.steps.calls
    assert (queue.ready_slots, queue.capacity, queue.is_open) == (min(slots, 1), None, True)


@pytest.mark.parametrize(("mode", "retires"), [("Embedded", True), ("Job", False)])
async def test_a_former_cluster_is_kept_while_attempts_in_job_mode_may_run_there(mode: str, retires: bool) -> None:
    scene = Scene(execution={"mode": mode} | ({"job": {"warmSlots": 1}} if mode == "Job" else {}))
    scene.index.queue_of(NAME).start(o.TASK_UID)
    await scene.reconcile()
    assert ("retire" in scene.steps.calls) is retires


async def test_nothing_is_started_and_nothing_counted_without_a_broker() -> None:
    scene = Scene()
    scene.steps.broker_condition = NO_BROKER
    assert await scene.reconcile() == TIMING.observe_every_s
    assert scene.steps.calls == ["finalizer", "ray"]
    assert scene.ready() == ("False", Reason.BROKER_UNREACHABLE)
    assert scene.record.blocker is not None
    assert scene.steps.events == [KubeEvent("Warning", "BrokerUnreachable", "no answer")]


async def test_a_ray_that_fails_under_the_executor_is_unreachable_until_it_answers_again() -> None:
    scene = Scene()
    scene.steps.executor_found = RayUnavailableError("no answer")
    await scene.reconcile()
    assert scene.ready() == ("False", Reason.RAY_UNREACHABLE)
    assert scene.record.ray.condition.message == "spec.ray.address: no answer"
    scene.steps.executor_found = ObservedExecutor("ca-1", None, (lease(),))
    await scene.reconcile(TIMING.probes.not_ready_s)
    assert scene.ready() == ("True", Reason.AVAILABLE)


@pytest.mark.parametrize(
    ("call", "fault"), [(JobCall.SUBMIT, "takes no jobs"), (JobCall.READ, "does not report its jobs")]
)
async def test_a_ray_that_answers_and_takes_no_jobs_makes_a_job_agent_unavailable(call: JobCall, fault: str) -> None:
    scene = Scene(execution={"mode": "Job"})
    scene.index.upsert_task(o.task_body(), 0.0)
    cause, health = "http://ray:8265/api/jobs/: no answer within 15 s", HEALTHY
    for number in range(MAX_FAILURES):
        await scene.reconcile()
        assert scene.ready() == ("True", Reason.AVAILABLE), f"{number} failures"
        health = health.failed(call, cause, scene.clock.monotonic())
        scene.index.update_agent(scene.record, jobs_api=health)
    scene.enqueued.clear()
    await scene.reconcile()
    assert scene.ready() == ("False", Reason.RAY_TAKES_NO_JOBS)
    (said,) = (c for c in scene.steps.written[-1]["conditions"] if c["type"] == "RayReady")
    assert (said["status"], said["reason"]) == ("False", "RayTakesNoJobs")
    assert said["message"] == (
        f"spec.ray.address: the dashboard at http://ray:8265 answers, but {fault}: {cause}. Check the dashboard's log "
        "and the load of Ray's head; restart the head if it does not recover. The operator keeps trying."
    )
    assert scene.enqueued == [o.TASK_UID]
    assert scene.record.blocker is not None
    assert scene.record.blocker.message.startswith("CognitiveAgent team/sre is not ready (RayTakesNoJobs): spec.ray")
    await scene.reconcile(REMEMBERED_S + 1.0)
    assert scene.ready() == ("True", Reason.AVAILABLE), "a task may try again"


async def test_an_agent_in_embedded_mode_needs_no_job_for_its_attempts() -> None:
    scene = Scene()
    health = HEALTHY.failed(JobCall.SUBMIT, "x", 1000.0).failed(JobCall.SUBMIT, "x", 1000.0)
    scene.index.update_agent(scene.record, jobs_api=health)
    await scene.reconcile()
    assert scene.ready() == ("True", Reason.AVAILABLE)


async def test_an_agent_in_job_mode_drains_its_executors_and_has_none() -> None:
    scene = Scene(execution={"mode": "Job"})
    await scene.reconcile()
    assert scene.steps.calls == ["finalizer", "ray", "drain all but None", "retire", "count"]
    assert scene.ready() == ("True", Reason.AVAILABLE)


async def test_a_former_cluster_stays_while_tasks_run_on_its_executor() -> None:
    scene = Scene()
    scene.steps.executor_found = ObservedExecutor("ca-2", None, (lease("ca-1"),))
    scene.index.queue_of(NAME).start(o.TASK_UID)
    await scene.reconcile()
    assert "retire" not in scene.steps.calls
    scene.steps.executor_found = ObservedExecutor("ca-2", None, (lease("ca-2"),))
    await scene.reconcile()
    assert "retire" in scene.steps.calls


async def test_an_agent_that_starts_is_observed_more_often_and_no_event_tells_of_it() -> None:
    scene = Scene()
    scene.steps.executor_found = ObservedExecutor("ca-1", None, ())
    assert await scene.reconcile() == TIMING.observe_starting_every_s
    assert scene.ready() == ("False", Reason.EXECUTOR_STARTING)
    assert scene.steps.events == []


async def test_counting_is_tried_again_when_the_api_server_is_away() -> None:
    scene = Scene()
    scene.steps.counters = ApiUnavailableError("503")
    await scene.reconcile()
    assert "tasksProcessed" not in scene.steps.written[-1]
    scene.steps.counters = Counters(tasks_processed=4)
    await scene.reconcile()
    assert scene.steps.written[-1]["tasksProcessed"] == 4


async def test_counters_of_an_older_status_are_not_written() -> None:
    scene = Scene()

    async def count_while_the_status_changes(record: AgentRecord) -> Counters:
        meta = record.body["metadata"] | {"resourceVersion": "11"}
        scene.index.upsert_agent(record.body | {"metadata": meta, "status": {"tasksProcessed": 9}})
        return Counters(tasks_processed=3)

    scene.steps.count = count_while_the_status_changes  # type: ignore[method-assign]
    await scene.reconcile()
    assert "tasksProcessed" not in scene.steps.written[-1]


async def test_a_status_that_could_not_be_written_emits_no_event() -> None:
    scene = Scene()
    scene.steps.is_gone = True
    await scene.reconcile()
    assert scene.steps.events == []


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [(0.0, Reason.CREDENTIALS_NOT_MOUNTED), (TIMING.credentials_hold_s + 1, Reason.AVAILABLE)],
)
async def test_missing_credentials_block_an_agent_in_job_mode_for_a_while(age_s: float, reason: Reason) -> None:
    scene = Scene(execution={"mode": "Job"})
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_MOUNTED, "no file")
    scene.index.update_agent(scene.record, credentials=missing, credentials_at_s=scene.clock.monotonic())
    await scene.reconcile(age_s)
    assert scene.ready()[1] == reason


async def test_one_task_tries_whether_the_credentials_are_mounted_with_growing_pauses() -> None:
    scene = Scene(execution={"mode": "Job"})
    scene.index.upsert_task(o.task_body(), 0.0)
    scene.index.line_up(o.TASK_UID, is_accepted=True)
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.BROKER_UNREACHABLE, "no broker")
    for failures, pause_s in ((1, 30.0), (2, 60.0), (9, TIMING.credentials_hold_max_s)):
        scene.index.update_agent(
            scene.record, credentials=missing, credentials_at_s=scene.clock.monotonic(), credentials_failures=failures
        )
        await scene.reconcile(pause_s)
        assert scene.ready() == ("False", Reason.BROKER_UNREACHABLE)
        assert not scene.index.queue_of(NAME).is_trial
        await scene.reconcile(1.0)
        assert scene.ready() == ("False", Reason.BROKER_UNREACHABLE)
        assert (scene.index.queue_of(NAME).is_open, scene.index.queue_of(NAME).is_trial) == (False, True)
    scene.index.queue_of(NAME).start(o.TASK_UID)
    await scene.reconcile(1.0)
    assert not scene.index.queue_of(NAME).is_trial


async def test_an_agent_that_leaves_job_mode_no_longer_waits_for_its_credentials() -> None:
    scene = Scene()
    missing = Condition.false(AgentCondition.EXECUTOR_READY, Reason.CREDENTIALS_NOT_MOUNTED, "no file")
    scene.index.update_agent(scene.record, credentials=missing, credentials_at_s=scene.clock.monotonic())
    await scene.reconcile()
    assert scene.ready() == ("True", Reason.AVAILABLE)


OUTDATED = Condition.true(AgentCondition.RUNTIME_OUTDATED, Reason.FEATURE_MISSING, "image:1 lacks reasoning.")
HOLD = Hold(Reason.CREDENTIALS_REFUSED, "correct the Secret", trial_at_s=1030.0)


async def test_an_outdated_runtime_closes_the_queue_until_another_reports() -> None:
    scene = Scene()
    scene.steps.runtime = OUTDATED
    await scene.reconcile()
    assert scene.ready() == ("False", Reason.RUNTIME_OUTDATED)
    assert (scene.index.queue_of(NAME).is_open, scene.index.queue_of(NAME).is_trial) == (False, False)
    assert scene.steps.events == [KubeEvent("Warning", "RuntimeOutdated", "image:1 lacks reasoning.")]
    scene.steps.runtime = RUNTIME_CURRENT
    await scene.reconcile(5.0)
    assert scene.ready() == ("True", Reason.AVAILABLE)
    assert scene.index.queue_of(NAME).is_open


async def test_a_held_queue_lets_one_task_try_once_the_pause_is_over() -> None:
    scene = Scene()
    scene.index.upsert_task(o.task_body(), 0.0)
    scene.index.line_up(o.TASK_UID, is_accepted=True)
    scene.index.update_agent(scene.record, hold=HOLD)
    await scene.reconcile()
    assert scene.ready() == ("False", Reason.CREDENTIALS_REFUSED)
    scene.enqueued.clear()
    await scene.reconcile(29.0)
    assert (scene.index.queue_of(NAME).is_trial, scene.enqueued) == (False, [])
    await scene.reconcile(1.0)
    assert (scene.index.queue_of(NAME).is_open, scene.index.queue_of(NAME).is_trial) == (False, True)
    assert scene.enqueued == [o.TASK_UID]
    scene.index.update_agent(scene.record, hold=HOLD.tried_by(o.TASK_UID))
    await scene.reconcile(1.0)
    assert not scene.index.queue_of(NAME).is_trial


async def test_tasks_that_have_tried_try_again_once_no_other_task_waits() -> None:
    scene = Scene()
    scene.index.upsert_task(o.task_body(), 0.0)
    scene.index.line_up(o.TASK_UID, is_accepted=True)
    hold = replace(HOLD, reason=Reason.INFERENCE_FAILING, trial_at_s=0.0, tried=frozenset({o.TASK_UID}))
    scene.index.update_agent(scene.record, hold=hold)
    await scene.reconcile()
    assert scene.record.hold == hold, "another task waits"
    scene.index.queue_of(NAME).rest(o.TASK_UID)
    scene.enqueued.clear()
    await scene.reconcile(1.0)
    assert scene.record.hold == replace(hold, tried=frozenset())
    assert scene.enqueued == [o.TASK_UID]


async def test_a_model_that_lists_itself_is_not_ready_while_its_inference_fails() -> None:
    scene = Scene()
    scene.index.update_agent(scene.record, hold=Hold(Reason.INFERENCE_FAILING, "m fails", trial_at_s=1e9))
    await scene.reconcile(600.0)
    assert scene.record.model.is_true
    assert scene.ready() == ("False", Reason.INFERENCE_FAILING)


@pytest.mark.parametrize(("mode", "expected"), [("Job", True), ("Embedded", False)])
async def test_only_job_mode_tries_an_outdated_runtime_again(mode: str, expected: bool) -> None:
    scene = Scene(execution={"mode": mode})
    scene.steps.runtime = OUTDATED
    await scene.reconcile()
    seen = JobRuntime(scene.record.runtime_key, "1", frozenset(), scene.clock.monotonic())
    scene.index.update_agent(scene.record, runtime=seen)
    await scene.reconcile(RETRY_RUNTIME_S - 1)
    assert not scene.index.queue_of(NAME).is_trial
    await scene.reconcile(1.0)
    assert scene.index.queue_of(NAME).is_trial is expected
    scene.index.queue_of(NAME).start("another")
    await scene.reconcile(1.0)
    assert not scene.index.queue_of(NAME).is_trial


async def test_learnt_behaviour_is_in_the_status_and_in_the_condition_and_is_written_once() -> None:
    scene = Scene()
    scene.steps.learnt = (LearntModel(endpoint="http://model/v1", model="m", refused=("top_p",), learnt_at=1.0),)
    await scene.reconcile()
    (written,) = scene.steps.written
    assert written["modelBehaviour"][0]["refused"] == ["top_p"]
    (model,) = [c for c in written["conditions"] if c["type"] == "ModelReady"]
    assert model["message"] == "The broker answers. The server does not take top_p: it is not sent."
    await scene.reconcile(1.0)
    assert len(scene.steps.written) == 1


async def test_a_deleted_agent_is_finalized_and_its_tasks_are_told_once() -> None:
    scene = Scene()
    scene.index.upsert_task(o.task_body(), 0.0)
    body = scene.record.body
    meta = body["metadata"] | {"resourceVersion": "11", "deletionTimestamp": "2026-11-21T03:00:00Z"}
    scene.index.upsert_agent(body | {"metadata": meta})
    assert await scene.reconcile() == 2.0
    assert scene.steps.calls == ["finalize since 1000"]
    await scene.reconcile(5.0)
    assert (scene.steps.calls, scene.enqueued) == (["finalize since 1000"], [o.TASK_UID])


async def test_an_unknown_agent_is_not_reconciled() -> None:
    scene = Scene()
    assert await scene.reconciler.reconcile(("team", "another")) is None


async def test_a_refused_status_never_freezes_the_conditions() -> None:
    scene = Scene()
    scene.steps.refused_field = "tasksProcessed"
    await scene.reconcile()
    scene.steps.broker_condition = NO_BROKER
    await scene.reconcile(10.0)
    scene.steps.broker_condition = BROKER
    await scene.reconcile(10.0)
    first, broken, last = scene.steps.written
    note = (
        "The API server refused the other fields of the agent's status, which show an earlier state: "
        "PATCH: 422 tasksProcessed is invalid. Update the CRDs in the cluster if they are not those of this version of "
        "the operator."
    )
    assert set(first) == {"observedGeneration", "conditions"}
    assert first["conditions"][0]["message"] == f"The agent accepts tasks. {note}"
    assert (broken["conditions"][0]["status"], broken["conditions"][0]["message"]) == ("False", "no answer")
    assert last["conditions"][0]["message"] == f"The agent accepts tasks. {note}"


async def test_a_status_that_stays_refused_is_written_once() -> None:
    scene = Scene()
    scene.steps.refused_field = "tasksProcessed"
    await scene.reconcile()
    await scene.reconcile(10.0)
    assert len(scene.steps.written) == 1
