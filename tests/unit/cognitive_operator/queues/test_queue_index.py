"""The index and the queues: which tasks are admitted, in which order, and after a restart."""

from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from pydantic import ValidationError

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.plan.agent.conditions import NOT_OBSERVED
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.telemetry import QueueSample
from cognitive_operator.reconcile.agent.queue_metrics import QueueMetrics
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.limits import RayLimits
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
ACCEPTED = {"phase": "Queued", "conditions": [{"type": "Accepted", "status": "True"}]}


def agent(name: str = "sre", mode: str = "Job", version: int = 10, **queue: Any) -> Body:
    body = o.agent_body(queue=queue, execution={"mode": mode})
    body["metadata"] |= {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return body


def task(uid: str, version: int, status: Body | None = None, agent_name: str = "sre", **spec: Any) -> Body:
    body = o.task_body(status, agentRef={"name": agent_name}, **spec)
    body["metadata"] |= {"name": uid, "uid": uid, "resourceVersion": str(version)}
    return body


def index_of(*bodies: Body, bounds: RayLimits | None = None, waiting_per_namespace: int | None = None) -> Index:
    """Return the index of an operator that has just listed everything."""
    index = Index(bounds, waiting_per_namespace)
    for body in bodies:
        if "agentRef" in body["spec"]:
            index.upsert_task(body, 0.0)
        else:
            record = index.upsert_agent(body)
            assert record is not None
            index.block(record, None)
    index.complete()
    return index


def admit_all(index: Index, agent_name: str = "sre") -> list[str]:
    """Request the admission of all tasks in the order of their names; return the admitted ones."""
    queue = index.queue_of(("team", agent_name))
    return sorted(r.uid for r in sorted(index.tasks.values(), key=lambda r: r.uid) if queue.admit(r.uid))


def test_tasks_are_admitted_in_the_order_of_their_creation_whatever_their_names() -> None:
    tasks = [task("a", 33), task("b", 31), task("c", 32)]
    assert admit_all(index_of(agent(maxConcurrentTasks=1, maxQueuedTasks=1), *tasks)) == ["b", "c"]


def test_an_accepted_task_stays_admitted_after_a_restart_also_under_a_smaller_limit() -> None:
    tasks = [task("a", 31), task("b", 32), task("c", 33, ACCEPTED), task("d", 34, closed())]
    assert admit_all(index_of(agent(maxConcurrentTasks=1, maxQueuedTasks=0), *tasks)) == ["c", "d"]


def closed() -> Body:
    return {"attempts": [{"number": 1, "agentUid": o.AGENT_UID, "mode": "Job", "outcome": "Lost"}]}


def test_an_adopted_attempt_takes_room_before_new_tasks_are_admitted() -> None:
    index = index_of(agent(maxConcurrentTasks=1, maxQueuedTasks=1), task("a", 31), task("b", 32), task("z", 30))
    index.adopt("a", InFlightAttempt(AttemptKey(o.AGENT_UID, "a", 1), "Job", 0.0))
    assert admit_all(index) == ["a", "z"]
    assert index.queue_of(NAME).startable() == []


def test_tasks_older_than_their_agent_are_admitted_in_the_order_of_their_creation() -> None:
    index = index_of(task("a", 33), task("b", 31))
    record = index.upsert_agent(agent(maxConcurrentTasks=1, maxQueuedTasks=0))
    assert record is not None
    assert admit_all(index) == ["b"]


def test_a_recreated_agent_has_admitted_no_task_yet() -> None:
    index = index_of(agent(maxConcurrentTasks=1, maxQueuedTasks=9), task("a", 33), task("b", 31))
    assert admit_all(index) == ["a", "b"]
    index.remove_agent(NAME, "uid-sre")
    assert index.queue_of(NAME).waiting == 0
    index.upsert_agent(agent(maxConcurrentTasks=1, maxQueuedTasks=0, version=40))
    assert admit_all(index) == ["b"]


def test_a_changed_priority_moves_the_task() -> None:
    index = index_of(agent(), task("a", 31, ACCEPTED), task("b", 32, ACCEPTED))
    index.upsert_task(task("b", 40, ACCEPTED, priority=1), 0.0)
    index.add_to_queue("b")
    assert index.queue_of(NAME).first(2) == ["b", "a"]
    index.upsert_task(task("b", 41, ACCEPTED, priority=-1), 0.0)
    index.add_to_queue("b")
    assert index.queue_of(NAME).first(2) == ["a", "b"]


def test_a_task_whose_start_failed_is_requeued_also_in_a_full_queue() -> None:
    index = index_of(agent(maxConcurrentTasks=1, maxQueuedTasks=1), task("a", 31), task("b", 32), task("c", 33))
    assert admit_all(index) == ["a", "b"]
    index.queue_of(NAME).start("a")
    index.requeue("a")
    assert (index.queue_of(NAME).first(2), index.queue_of(NAME).slots_in_use) == (["a", "b"], 0)


def test_a_task_that_was_deleted_meanwhile_is_not_requeued() -> None:
    index = index_of(agent(), task("a", 31, ACCEPTED))
    index.queue_of(NAME).start("a")
    index.remove_task("a")
    index.requeue("a")
    assert (index.queue_of(NAME).waiting, index.queue_of(NAME).slots_in_use) == (0, 0)


def test_job_agents_of_one_cluster_share_its_bound_over_namespaces_and_warm_ones_do_not() -> None:
    index = index_of(
        agent("one", weight=2),
        agent("two"),
        agent("warm", "Embedded"),
        *[task(f"{name}{n}", 30 + n, ACCEPTED, name) for name in ("one", "two", "warm") for n in range(5)],
        bounds=RayLimits(jobs=3),
    )
    index.set_dispatch(index.agents["team", "warm"], None, DispatchState(capacity=4))
    assert sorted(index.queue_of(("team", "one")).startable()) == ["one0", "one1", "two0"]
    assert index.queue_of(("team", "warm")).startable() == ["warm0", "warm1", "warm2", "warm3"]


def test_a_changed_mode_changes_the_bound() -> None:
    index = index_of(agent(mode="Embedded"), task("a", 31, ACCEPTED))
    assert index.queue_of(NAME).capacity == 0
    index.upsert_agent(agent(mode="Job", version=50))
    assert index.queue_of(NAME).capacity is None
    assert index.queue_of(NAME).startable() == ["a"]
    index.set_dispatch(index.agents[NAME], None, DispatchState(capacity=4))
    index.upsert_agent(agent(mode="Embedded", version=51))
    assert index.queue_of(NAME).capacity == 0, "the workers of Job mode run no other attempts"
    index.set_dispatch(index.agents[NAME], None, DispatchState(capacity=4))
    index.upsert_agent(agent(mode="Embedded", version=52))
    assert index.queue_of(NAME).capacity == 4


@pytest.mark.parametrize("is_deletion_seen", [True, False])
def test_a_recreated_agent_starts_nothing_before_it_is_observed(is_deletion_seen: bool) -> None:
    index = index_of(agent(), task("a", 31, ACCEPTED))
    former = index.set_dispatch(index.agents[NAME], NOT_OBSERVED, DispatchState(is_trial=True))
    assert index.queue_of(NAME).startable() == ["a"]
    recreated = agent(version=40)
    recreated["metadata"]["uid"] = "uid-recreated"
    if is_deletion_seen:
        index.remove_agent(NAME, "uid-sre")
    index.upsert_agent(recreated)
    assert index.queue_of(NAME).startable() == []
    index.set_dispatch(former, None, DispatchState(is_trial=True))
    assert index.queue_of(NAME).startable() == [], "the state of the former agent is stale"


class Metrics:
    """Records the samples of the queues."""

    def __init__(self) -> None:
        self.shown: list[QueueSample] = []

    def set_queues(self, queues: list[QueueSample]) -> None:
        self.shown = queues


def test_the_gauges_tell_depth_running_and_age_of_agents_that_exist() -> None:
    index = index_of(agent(), agent("idle"), task("a", 31), task("b", 32), task("c", 33), task("x", 34, None, "nobody"))
    admit_all(index)
    index.queue_of(NAME).start("b")
    metrics: Any = Metrics()
    QueueMetrics(index, metrics, FakeClock(wall="2026-11-21T02:01:40.500000Z"), 5.0).update()
    assert metrics.shown == [QueueSample("team", "sre", 2, 1, 100.5), QueueSample("team", "idle", 0, 0, 0.0)]


def test_a_record_is_written_by_its_index_alone() -> None:
    index = index_of(task("a", 31))
    before = index.tasks["a"]
    with pytest.raises(FrozenInstanceError):
        before.written_s = 1.0  # type: ignore[misc]
    after = index.update_task("a", written_s=7.0)
    assert after is index.tasks["a"]
    assert (before.written_s, after.written_s, after.task) == (float("-inf"), 7.0, before.task)
    assert index.update_task("gone", written_s=7.0) is None


def test_what_was_observed_of_a_task_outlives_its_next_version() -> None:
    index = index_of(task("a", 31))
    index.update_task("a", has_found_input=True)
    index.upsert_task(task("a", 32, {"phase": "Running"}), 9.0)
    record = index.tasks["a"]
    assert (record.version, record.arrival, record.since_s, record.has_found_input) == (32, 31, 0.0, True)


def test_a_task_that_cannot_be_read_is_known_all_the_same() -> None:
    unreadable = task("a", 31, {"attempts": [{"number": 1, "agentUid": o.AGENT_UID, "mode": "Job"}]}, type=None)
    index = Index()
    with pytest.raises(ValidationError):
        index.upsert_task(unreadable, 0.0)
    assert [each.key.number for each in index.tasks["a"].tried] == [1]
    assert index.upsert_task(unreadable, 0.0) is None, "it is reported once"


def admits(index: Index, body: Body) -> bool:
    """Add a new task to its queue; return True if it is admitted."""
    record = index.upsert_task(body, 0.0)
    assert record is not None
    index.add_to_queue(record.uid)
    return index.queue_of(record.agent).admit(record.uid)


def test_the_waiting_tasks_of_all_agents_of_a_namespace_have_a_limit_together() -> None:
    other = agent("other")
    index = index_of(agent("sre"), other, waiting_per_namespace=2)
    assert [admits(index, task("a", 31)), admits(index, task("b", 32, agent_name="other"))] == [True, True]
    assert not admits(index, task("c", 33))
    queue = index.queue_of(("team", "sre"))
    assert queue.reached_namespace_limit == 2
    index.queue_of(("team", "other")).start("b")
    assert queue.reached_namespace_limit is None, "a running task does not wait"
    assert admits(index, task("d", 34))
    elsewhere = agent("sre", version=35)
    elsewhere["metadata"] |= {"namespace": "elsewhere", "uid": "uid-elsewhere"}
    index.upsert_agent(elsewhere)
    body = task("e", 36)
    body["metadata"]["namespace"] = "elsewhere"
    assert admits(index, body), "another namespace has a limit of its own"


def test_the_limit_of_a_namespace_refuses_none_of_the_tasks_that_are_there_at_a_start() -> None:
    index = index_of(agent(), *(task(uid, 31 + n) for n, uid in enumerate("abc")), waiting_per_namespace=2)
    assert admit_all(index) == ["a", "b", "c"]
    assert not admits(index, task("d", 40))


def test_the_agents_own_limit_is_named_before_that_of_the_namespace() -> None:
    index = index_of(agent(maxConcurrentTasks=1, maxQueuedTasks=0), task("a", 31), waiting_per_namespace=1)
    assert admit_all(index) == ["a"]
    assert not admits(index, task("b", 32))
    assert index.queue_of(("team", "sre")).reached_namespace_limit is None
