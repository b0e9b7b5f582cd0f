"""The reconciliation of an agent: the order of its steps, its status and its Events."""

import pytest

from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.errors import ApiUnavailableError, RayUnavailableError
from cognitive_operator.plan.agent.conditions import ObservedExecutor
from cognitive_operator.plan.agent.ray.jobs_api import HEALTHY, MAX_FAILURES, REMEMBERED_S, JobCall
from cognitive_operator.ports.kube import KubeEvent
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from support.builders import operator_objects as o
from support.fakes.agent_scene import BROKER, NAME, NO_BROKER, TIMING, Scene, lease


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
    assert (queue.ready_warm_slots, queue.capacity, queue.dispatch.is_blocked) == (min(slots, 1), None, False)


async def test_executor_ready_names_the_operators_limit_that_leaves_warm_slots_idle() -> None:
    scene = Scene(execution={"mode": "Job", "job": {"warmSlots": 9}}, queue={"maxConcurrentTasks": 64})
    await scene.reconcile()
    conditions = scene.steps.written[0]["conditions"]
    message = next(each["message"] for each in conditions if each["type"] == AgentCondition.EXECUTOR_READY)
    assert message.endswith(
        "At most 8 slots are in use at once (COGNITIVE_RAY_JOBS of the operator); the others stay idle."
    )


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
