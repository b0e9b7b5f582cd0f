"""The queue of one agent: order, slots, admission and backoff."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_operator.scheduling.agent_queue import AgentQueue
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.fair_share import FairShare
from cognitive_operator.scheduling.limits import QueueLimits
from cognitive_operator.scheduling.priority_queue import queue_key

OPEN, CLOSED, TRIAL = DispatchState(is_blocked=False), DispatchState(), DispatchState(is_trial=True)
UIDS = [f"t{n:02d}" for n in range(12)]
TASKS = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=12
)  # priority, created, arrival


def queue_of(limit: int, max_queued: int | None = None, *uids: str) -> AgentQueue:
    queue = AgentQueue(("team", "sre"))
    queue.set_limits(QueueLimits(limit, max_queued, is_job=True))
    queue.set_dispatch(OPEN)
    for arrival, uid in enumerate(uids):
        queue.add(queue_key(uid, 0, 1.0, arrival), is_accepted=True)
    return queue


def request_admission(queue: AgentQueue, uid: str, created_s: float, arrival: int, priority: int = 0) -> bool:
    queue.add(queue_key(uid, priority, created_s, arrival), is_accepted=False)
    return queue.admit(uid)


def test_a_closed_queue_lets_one_task_try() -> None:
    queue = queue_of(4, None, "a", "b", "c")
    queue.set_dispatch(CLOSED)
    assert queue.startable() == []
    queue.set_dispatch(TRIAL)
    assert queue.startable() == ["a"]
    assert [queue.may_start(uid) for uid in ("a", "b")] == [True, False]
    queue.start("a")
    assert (queue.dispatch.is_trial, queue.startable(), queue.is_started("a")) == (False, [], True)


def test_a_task_that_runs_already_uses_up_no_try() -> None:
    queue = queue_of(4, None, "a", "b")
    queue.start("a")
    queue.set_dispatch(TRIAL)
    queue.start("a")
    assert queue.startable() == ["b"]


def test_one_task_runs_first_while_the_runtime_is_not_known() -> None:
    queue = queue_of(4, None, "a", "b")
    queue.set_dispatch(replace(OPEN, is_runtime_known=False))
    assert queue.startable() == ["a"]
    queue.start("a")
    assert (queue.startable(), "which features the runtime has" in queue.why_waiting()) == ([], True)
    queue.set_dispatch(OPEN)
    assert queue.startable() == ["b"]


def test_the_order_is_priority_then_creation_then_arrival() -> None:
    queue = queue_of(2)
    for uid, priority, created_s, arrival in [
        ("c", 0, 3.0, 1),
        ("a", 0, 1.0, 2),
        ("b", 0, 1.0, 3),
        ("urgent", 5, 9.0, 9),
    ]:
        queue.add(queue_key(uid, priority, created_s, arrival), is_accepted=True)
    assert queue.first(9) == ["urgent", "a", "b", "c"]
    assert [queue.position(uid) for uid in ("urgent", "a", "b", "c")] == [1, 2, 3, 4]
    assert queue.startable() == ["urgent", "a"]
    assert [queue.may_start(uid) for uid in ("urgent", "a", "b")] == [True, True, False]


def test_a_changed_priority_moves_a_waiting_task_and_no_running_one() -> None:
    queue = queue_of(1, None, "a", "b", "c")
    queue.start("a")
    queue.add(queue_key("c", 1, 1.0, 2), is_accepted=True)
    queue.add(queue_key("a", 9, 1.0, 0), is_accepted=True)
    assert queue.first(9) == ["c", "b"]
    queue.add(queue_key("c", 0, 1.0, 2), is_accepted=True)
    assert queue.first(9) == ["b", "c"]
    assert queue.slots_in_use == 1


def test_a_started_task_takes_a_slot_and_its_removal_frees_it() -> None:
    queue = queue_of(1, None, "a", "b")
    queue.start("a")
    assert (queue.slots_in_use, queue.waiting, queue.startable(), queue.position("b")) == (1, 1, [], 1)
    assert queue.remove("a")
    assert queue.startable() == ["b"]
    assert not queue.remove("a")


def test_an_ended_attempt_has_no_slot_before_its_result_is_written() -> None:
    queue = queue_of(1, None, "a", "b", "c")
    queue.start("a")
    queue.end_attempt("a", 0.0)
    queue.end_attempt("x", 0.0)
    assert (queue.slots_in_use, queue.is_started("a"), queue.startable()) == (0, True, ["b"])
    queue.start("b")
    queue.end_attempt("b", 0.1)
    assert (queue.slots_in_use, queue.startable()) == (1, [])
    assert queue.remove("a")
    assert queue.startable() == ["c"]


def test_unwritten_results_keep_room_in_a_bounded_queue() -> None:
    queue = queue_of(1, 1, "a")
    queue.start("a")
    queue.end_attempt("a", 0.0)
    queue.add(queue_key("b", 0, 1.0, 1), is_accepted=False)
    queue.add(queue_key("c", 0, 1.0, 2), is_accepted=False)
    assert (queue.admit("b"), queue.admit("c")) == (True, False)


def test_an_ended_attempt_has_no_place_in_a_shared_limit_either() -> None:
    share, one, other = FairShare(1), queue_of(1, None, "a"), queue_of(1, None, "b")
    one.join(share)
    other.join(share)
    one.start("a")
    assert not other.may_start("b")
    one.end_attempt("a", 0.0)
    assert (other.may_start("b"), one.startable()) == (True, ["b"])


def test_the_speed_of_the_queue_tells_when_a_task_starts() -> None:
    queue = queue_of(4, None, *"abcdefghij")
    for number, uid in enumerate("abcd"):
        queue.start(uid)
        assert queue.starts_in_s("e", 10.0) is None
        queue.end_attempt(uid, 9.0 + 0.25 * number)
    assert [queue.starts_in_s(uid, 10.0) for uid in ("e", "h", "a")] == [0.25, 1.0, None]
    assert queue.starts_in_s("e", 11.1) is None
    queue.set_dispatch(CLOSED)
    assert queue.starts_in_s("e", 10.0) is None


def test_more_running_tasks_than_allowed_are_counted_and_none_starts() -> None:
    queue = queue_of(1, None, "a")
    queue.start("x")
    queue.start("y")
    assert (queue.slots_in_use, queue.free, queue.may_start("a")) == (2, 0, False)


def test_no_more_start_than_the_live_workers_take() -> None:
    queue = queue_of(8, None, "a", "b", "c")
    queue.set_limits(QueueLimits(8))
    queue.set_dispatch(replace(OPEN, capacity=2))
    assert queue.startable() == ["a", "b"]
    assert not queue.may_start("c")
    queue.set_dispatch(OPEN)
    assert queue.startable() == []
    assert queue.why_waiting() == "No worker of the agent is live yet; waiting for one to start."
    queue.set_dispatch(replace(OPEN, capacity=2))
    queue.start("a")
    queue.start("b")
    assert queue.why_waiting() == "The agent's live workers already run 2 tasks, their capacity; waiting for a slot."


def test_nothing_starts_while_the_agent_is_not_ready_or_not_known() -> None:
    queue = queue_of(8, None, "a")
    queue.set_dispatch(CLOSED)
    assert not queue.may_start("a")
    queue.set_dispatch(OPEN)
    queue.set_limits(QueueLimits())
    assert not queue.may_start("a")


def test_other_tasks_pass_a_task_that_backs_off_until_it_is_active_again() -> None:
    queue = queue_of(1, None, "a", "b")
    queue.back_off("a")
    assert (queue.startable(), queue.waiting, queue.position("a")) == (["b"], 2, None)
    queue.add(queue_key("a", 0, 1.0, 0), is_accepted=False)
    assert queue.startable() == ["a"]


def test_a_full_queue_admits_no_task() -> None:
    queue = queue_of(2, 1)
    assert [request_admission(queue, uid, 1.0, n) for n, uid in enumerate("abc")] == [True, True, True]
    assert not request_admission(queue, "d", 1.0, 3, priority=9)
    assert queue.waiting == 3
    queue.start("a")
    assert not request_admission(queue, "d", 1.0, 3)
    queue.remove("a")
    assert request_admission(queue, "d", 1.0, 3)


def test_an_accepted_task_stays_admitted_however_full_the_queue_is() -> None:
    queue = queue_of(1, 0, "a", "b", "c")
    assert [queue.admit(uid) for uid in "abc"] == [True, True, True]
    assert not request_admission(queue, "d", 0.0, 0)


def test_a_queue_without_a_limit_admits_every_task() -> None:
    queue = queue_of(1)
    assert all(request_admission(queue, f"t{n}", 1.0, n) for n in range(5000))


def test_pending_tasks_are_admitted_in_the_order_of_their_creation() -> None:
    queue = queue_of(1, 1)
    for uid, created_s, arrival in [("late", 3.0, 9), ("second", 1.0, 5), ("first", 1.0, 4)]:
        queue.add(queue_key(uid, 7 if uid == "late" else 0, created_s, arrival), is_accepted=False)
    assert [queue.admit(uid) for uid in ("late", "second", "first")] == [False, True, True]


def test_a_task_that_is_removed_before_its_admission_takes_no_room() -> None:
    queue = queue_of(1, 0)
    queue.add(queue_key("held", 0, 1.0, 1), is_accepted=False)
    queue.remove("held")
    assert request_admission(queue, "next", 2.0, 2)


def test_a_deleted_agent_has_admitted_no_waiting_task() -> None:
    queue = queue_of(1, 0, "a", "b")
    queue.start("a")
    queue.clear()
    assert (queue.waiting, queue.slots_in_use) == (0, 1)
    assert not request_admission(queue, "b", 1.0, 1)


@given(TASKS, st.integers(0, 4), st.data())
def test_a_restart_refuses_no_task_that_the_former_process_had_admitted(
    tasks: list[tuple[int, int, int]], max_queued: int, data: st.DataObject
) -> None:
    """Neither the order in which a restarted operator checks the tasks nor a missing status changes this."""
    places = sorted(
        (queue_key(uid, p, float(c), a) for uid, (p, c, a) in zip(UIDS, tasks, strict=False)), key=lambda x: x[1:]
    )
    before, after = queue_of(2, max_queued), queue_of(2, max_queued)
    accepted = {p[-1] for p in places if request_admission(before, p[-1], p[1], p[2], -p[0])}
    running = data.draw(st.lists(st.sampled_from(sorted(accepted)), max_size=2, unique=True)) if accepted else []
    for uid in running:
        after.start(uid)
    left = [p for p in places if p[-1] in accepted and p[-1] not in running]
    new = [queue_key(f"new{n}", 9, 100.0, 100 + n) for n in range(3)]
    for place in data.draw(st.permutations([*left, *new])):
        after.add(place, is_accepted=False)
    asked = {p[-1]: after.admit(p[-1]) for p in data.draw(st.permutations([*left, *new]))}
    assert all(asked[p[-1]] for p in left)
    assert after.waiting + after.slots_in_use <= 2 + max_queued


class Counted(float):
    """A creation time that counts how often it is compared."""

    comparisons = 0

    def __lt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float(self) < float(other)

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return float(self) == other

    __hash__ = float.__hash__


def cost_of_one_event(waiting: int) -> int:
    """Return the comparisons of the dearest event on a queue with so many waiting."""
    queue = queue_of(8, 10**6)
    for n in range(waiting):
        queue.add(queue_key(f"t{n}", 0, Counted(n * 7919 % waiting), n), is_accepted=True)
    dearest = 0
    middle = queue_key("x", 0, Counted(waiting / 2), 0)
    for event in (
        lambda: queue.add(middle, is_accepted=False),
        lambda: queue.admit("x"),
        lambda: queue.add((-1, *middle[1:]), is_accepted=False),
        lambda: queue.may_start("x"),
        lambda: queue.position("x"),
        queue.startable,
        lambda: queue.start("x"),
        lambda: queue.remove("x"),
        lambda: queue.back_off("t7"),
        lambda: queue.oldest_s,
    ):
        Counted.comparisons = 0
        event()
        dearest = max(dearest, Counted.comparisons)
    return dearest


@pytest.mark.parametrize("waiting", [50, 5000])
def test_an_event_costs_the_logarithm_of_the_waiting_tasks(waiting: int) -> None:
    searches = 4  # a move leaves two sorted lists and enters them again
    assert 0 < cost_of_one_event(waiting) <= searches * 2 * (waiting.bit_length() + 1)
