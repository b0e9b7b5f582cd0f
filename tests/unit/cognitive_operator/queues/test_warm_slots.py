"""Warm slots of Job mode: which are free, what the agent's condition and a task's status say of them."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import AgentCondition, Condition, Outcome, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.conditions import AgentFacts, ObservedExecutor, agent_conditions
from cognitive_operator.plan.agent.ray.warm_slots import slot_leases
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.mounts import mount_advice
from cognitive_operator.scheduling.agent_queue import AgentQueue
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.limits import QueueLimits
from cognitive_operator.scheduling.priority_queue import queue_key
from support.builders import operator_objects as o

AVAILABLE = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "It answers.")
CURRENT = "ca-x-1a2b3c4d-1"
OWN_JOB = f"ct-{o.TASK_UID}-1"


def lease(worker: str = "s0", **fields: Any) -> Lease:
    who = {"worker": worker, "agent_uid": o.AGENT_UID, "submission_id": CURRENT, "mode": "Job", "ready": True}
    what = {"capacity": 1, "runtime_version": "0.9.0", "features": ["warm_slots"]}
    return Lease.model_validate(who | what | {"started_at": o.NOW, "renewed_at": o.NOW} | fields)


def agent(slots: int = 2, **execution: Any) -> Agent:
    return Agent.model_validate(o.agent_body(execution={"mode": "Job", "job": {"warmSlots": slots}, **execution}))


def queue_of(*uids: str) -> AgentQueue:
    queue = AgentQueue(("team", "sre"))
    queue.set_limits(QueueLimits(8, is_job=True))
    queue.set_dispatch(DispatchState(is_blocked=False))
    for arrival, uid in enumerate(uids):
        queue.add(queue_key(uid, 0, 1.0, arrival), is_accepted=True)
        queue.start(uid)
    return queue


def test_as_many_attempts_get_a_slot_as_slots_are_ready() -> None:
    queue = queue_of("a", "b", "c")
    queue.set_warm_slots(2, ())
    assert [queue.take_warm_slot(uid) for uid in ("a", "b", "c")] == [True, True, False]


def test_the_queue_of_a_deleted_agent_has_no_warm_slot() -> None:
    queue = queue_of("a")
    queue.set_warm_slots(2, ())
    queue.clear()
    assert (queue.take_warm_slot("a"), queue.ready_warm_slots) == (False, 0)


@pytest.mark.parametrize("how", ["ended", "stopped"])
def test_the_end_of_an_attempt_frees_its_slot(how: str) -> None:
    queue = queue_of("a", "b")
    queue.set_warm_slots(1, ())
    assert queue.take_warm_slot("a")
    assert not queue.take_warm_slot("b")
    if how == "ended":
        queue.end_attempt("a", 1.0)
    else:
        queue.remove("a")
    assert queue.take_warm_slot("b")


def test_a_slot_that_runs_an_attempt_of_another_process_is_occupied() -> None:
    queue = queue_of("a", "b", "c")
    queue.set_warm_slots(2, ["a"])
    assert [queue.take_warm_slot(uid) for uid in ("b", "c")] == [True, False]


def test_a_lease_that_still_names_an_ended_attempt_occupies_no_slot() -> None:
    queue = queue_of("a", "b")
    queue.end_attempt("a", 1.0)
    queue.set_warm_slots(1, ["a", "elsewhere"])
    assert queue.take_warm_slot("b")


def test_lost_slots_take_no_attempt() -> None:
    queue = queue_of("a", "b", "c")
    assert (queue.take_warm_slot("a"), queue.ready_warm_slots) == (False, 0)
    queue.set_warm_slots(1, ())
    assert (queue.take_warm_slot("a"), queue.ready_warm_slots) == (True, 1)
    queue.set_warm_slots(0, ())
    assert (queue.take_warm_slot("b"), queue.ready_warm_slots) == (False, 0)
    queue.remove("a")
    assert not queue.take_warm_slot("b")


@pytest.mark.parametrize(
    "fields",
    [{"ready": False, "reason": "Draining"}, {"mode": "Embedded"}, {"features": ["tools"]}],
    ids=["draining", "embedded", "earlier runtime"],
)
def test_a_worker_that_takes_no_attempts_of_job_mode_is_no_slot(fields: dict[str, Any]) -> None:
    assert [each.worker for each in slot_leases(agent(), [lease("s0", **fields), lease("s1")])] == ["s1"]


def test_an_agent_without_slots_has_none() -> None:
    assert slot_leases(agent(0), [lease()]) == []
    assert slot_leases(Agent.model_validate(o.agent_body()), [lease()]) == []


def ready_condition(executor: ObservedExecutor, ray_jobs: int | None = 8, **execution: Any) -> Condition:
    sre = agent(**execution)
    facts = AgentFacts(sre, AVAILABLE, AVAILABLE, AVAILABLE, executor, AVAILABLE, ray_jobs=ray_jobs)
    return next(each for each in agent_conditions(facts) if each.type == AgentCondition.EXECUTOR_READY)


OF_OLD = lease("s8", submission_id="ca-x-0f0f0f0f-1")
OLD_THAT_DRAINS = OF_OLD.model_copy(update={"worker": "s9", "ready": False, "reason": "Draining"})
HEAD = "of 2 warm slots are ready; an attempt that finds none free runs as its own Ray job."


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        (ObservedExecutor(CURRENT, None, (lease("s0"), lease("s1"))), f"2 {HEAD}"),
        (ObservedExecutor(CURRENT, None, (lease("s0"), lease("s1", ready=False))), f"1 {HEAD}"),
        (ObservedExecutor(CURRENT, None, ()), f"0 {HEAD} Ray job {CURRENT} is starting; no worker has reported yet."),
        (
            ObservedExecutor(CURRENT, None, (OF_OLD, OLD_THAT_DRAINS)),
            f"0 {HEAD} Ray job {CURRENT} is starting; no worker has reported yet.",
        ),
        (ObservedExecutor(CURRENT, None, (OF_OLD, lease("s0"))), f"1 {HEAD}"),
        (ObservedExecutor(CURRENT, "exit code 2", ()), f"0 {HEAD} The executor's Ray job ended: exit code 2."),
        (
            ObservedExecutor(
                CURRENT, None, (lease(ready=False, reason="CredentialsNotMounted", message="Absent: k."),)
            ),
            f"0 {HEAD} Absent: k. {mount_advice(agent())}",
        ),
        (
            ObservedExecutor(CURRENT, None, (lease(mode="Embedded", features=[]),)),
            f"0 {HEAD} Runtime 0.9.0 of executor {CURRENT} has no warm slots.",
        ),
        (
            ObservedExecutor(CURRENT, None, (), Condition.false(AgentCondition.EXECUTOR_READY, "Silent", "No worker")),
            f"0 {HEAD} No worker.",
        ),
    ],
)
def test_executor_ready_tells_how_many_slots_are_ready_and_why_none_is(
    executor: ObservedExecutor, message: str
) -> None:
    condition = ready_condition(executor)
    assert (condition.status, condition.reason, condition.message) == ("True", Reason.JOB_PER_ATTEMPT, message)


@pytest.mark.parametrize(
    ("resources", "state"),
    [
        ({"memory": "4Gi"}, "waits for a Ray node with 2 times spec.execution.resources free, or is starting"),
        ({"cpu": 0, "memory": 1}, "waits for a Ray node with 2 times spec.execution.resources free, or is starting"),
        ({"cpu": "0m"}, "is starting"),
        ({}, "is starting"),
    ],
)
def test_the_message_of_slots_that_start_names_the_room_that_they_need(resources: dict[str, Any], state: str) -> None:
    condition = ready_condition(ObservedExecutor(CURRENT, None, ()), resources=resources)
    assert condition.message == f"0 {HEAD} Ray job {CURRENT} {state}; no worker has reported yet."


@pytest.mark.parametrize(
    ("slots", "ray_jobs", "end"),
    [
        (8, 8, "own Ray job."),
        (9, None, "At most 8 slots are in use at once (spec.queue.maxConcurrentTasks); the others stay idle."),
        (12, 10, "At most 8 slots are in use at once (spec.queue.maxConcurrentTasks); the others stay idle."),
        (8, 5, "At most 5 slots are in use at once (COGNITIVE_RAY_JOBS of the operator); the others stay idle."),
    ],
)
def test_the_message_names_the_limit_that_leaves_slots_idle(slots: int, ray_jobs: int | None, end: str) -> None:
    condition = ready_condition(ObservedExecutor(CURRENT, None, (lease(),)), ray_jobs, slots=slots)
    assert condition.message.endswith(end)


def attempt(**fields: Any) -> InFlightAttempt:
    return InFlightAttempt(o.key(), "Job", 0.0, **fields)


def in_job(submission_id: str) -> Any:
    return o.claim().model_copy(update={"submission_id": submission_id})


@pytest.mark.parametrize(
    ("flying", "shown"),
    [
        (attempt(), OWN_JOB),
        (attempt(awaits_slot=True), None),
        (attempt(awaits_slot=True).with_own_job(), OWN_JOB),
        (attempt(claim=in_job(OWN_JOB)), OWN_JOB),
        (attempt(claim=in_job(CURRENT)), None),
    ],
    ids=["own job", "awaits a slot", "unclaimed", "claimed by its job", "claimed by a slot"],
)
def test_the_status_names_the_ray_job_of_an_attempt_unless_a_slot_has_it(
    flying: InFlightAttempt, shown: str | None
) -> None:
    assert flying.status_entry().submission_id == shown
    end = flying.closed(o.NOW, Outcome.LOST, Reason.EXECUTOR_LOST, "gone")
    assert end.status_entry().submission_id == shown


def test_an_embedded_attempt_shows_its_executor() -> None:
    assert InFlightAttempt(o.key(), "Embedded", 0.0, claim=in_job(CURRENT)).submission_id == CURRENT
