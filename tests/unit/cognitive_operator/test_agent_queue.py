"""The queue of one agent: order, slots, the door."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_operator.scheduling.agent_queue import AgentQueue
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.fair_share import FairShare
from cognitive_operator.scheduling.limits import QueueLimits
from cognitive_operator.scheduling.priority_queue import PriorityQueue, queue_key

OPEN, CLOSED, TRIAL = DispatchState(is_open=True), DispatchState(), DispatchState(is_trial=True)
UIDS = [f"t{n:02d}" for n in range(12)]
TASKS = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=12
)  # priority, created, arrival


def queue_of(limit: int, max_queued: int | None = None, *uids: str) -> AgentQueue:
    queue = AgentQueue(("team", "sre"))
    queue.set_limits(QueueLimits(limit, max_queued, is_job=True))
    queue.set_dispatch(OPEN)
    for arrival, uid in enumerate(uids):
        queue.wait(queue_key(uid, 0, 1.0, arrival), is_accepted=True)
    return queue


def knock(queue: AgentQueue, uid: str, created_s: float, arrival: int, priority: int = 0) -> bool:
    queue.wait(queue_key(uid, priority, created_s, arrival), is_accepted=False)
    return queue.enter(uid)


def test_a_closed_queue_lets_one_task_try() -> None:
    queue = queue_of(4, None, "a", "b", "c")
    queue.set_dispatch(CLOSED)
    assert queue.next_up() == []
    queue.set_dispatch(TRIAL)
    assert queue.next_up() == ["a"]
    assert [queue.may_start(uid) for uid in ("a", "b")] == [True, False]
    queue.start("a")
    assert (queue.dispatch.is_trial, queue.next_up(), queue.is_running("a")) == (False, [], True)


def test_a_task_that_runs_already_uses_up_no_try() -> None:
    queue = queue_of(4, None, "a", "b")
    queue.start("a")
    queue.set_dispatch(TRIAL)
    queue.start("a")
    assert queue.next_up() == ["b"]


def test_one_task_runs_first_while_the_runtime_is_not_known() -> None:
    queue = queue_of(4, None, "a", "b")
    queue.set_dispatch(replace(OPEN, is_runtime_known=False))
    assert queue.next_up() == ["a"]
    queue.start("a")
    assert (queue.next_up(), "which features the runtime has" in queue.why_waiting()) == ([], True)
    queue.set_dispatch(OPEN)
    assert queue.next_up() == ["b"]


def test_the_order_is_priority_then_creation_then_arrival() -> None:
    queue = queue_of(2)
    for uid, priority, created_s, arrival in [
        ("c", 0, 3.0, 1),
        ("a", 0, 1.0, 2),
        ("b", 0, 1.0, 3),
        ("urgent", 5, 9.0, 9),
    ]:
        queue.wait(queue_key(uid, priority, created_s, arrival), is_accepted=True)
    assert queue.first(9) == ["urgent", "a", "b", "c"]
    assert [queue.position(uid) for uid in ("urgent", "a", "b", "c")] == [1, 2, 3, 4]
    assert queue.next_up() == ["urgent", "a"]
    assert [queue.may_start(uid) for uid in ("urgent", "a", "b")] == [True, True, False]


def test_a_changed_priority_moves_a_waiting_task_and_no_running_one() -> None:
    queue = queue_of(1, None, "a", "b", "c")
    queue.start("a")
    queue.wait(queue_key("c", 1, 1.0, 2), is_accepted=True)
    queue.wait(queue_key("a", 9, 1.0, 0), is_accepted=True)
    assert queue.first(9) == ["c", "b"]
    queue.wait(queue_key("c", 0, 1.0, 2), is_accepted=True)
    assert queue.first(9) == ["b", "c"]
    assert queue.running == 1


def test_a_started_task_takes_a_slot_and_a_stopped_one_frees_it() -> None:
    queue = queue_of(1, None, "a", "b")
    queue.start("a")
    assert (queue.running, queue.waiting, queue.next_up(), queue.position("b")) == (1, 1, [], 1)
    assert queue.stop("a")
    assert queue.next_up() == ["b"]
    assert not queue.stop("a")


def test_an_ended_attempt_has_no_slot_before_its_result_is_written() -> None:
    queue = queue_of(1, None, "a", "b", "c")
    queue.start("a")
    queue.end("a", 0.0)
    queue.end("x", 0.0)
    assert (queue.running, queue.is_running("a"), queue.next_up()) == (0, True, ["b"])
    queue.start("b")
    queue.end("b", 0.1)
    assert (queue.running, queue.next_up()) == (1, [])
    assert queue.stop("a")
    assert queue.next_up() == ["c"]


def test_unwritten_results_keep_room_in_a_bounded_queue() -> None:
    queue = queue_of(1, 1, "a")
    queue.start("a")
    queue.end("a", 0.0)
    queue.wait(queue_key("b", 0, 1.0, 1), is_accepted=False)
    queue.wait(queue_key("c", 0, 1.0, 2), is_accepted=False)
    assert (queue.enter("b"), queue.enter("c")) == (True, False)


def test_an_ended_attempt_has_no_place_in_a_shared_limit_either() -> None:
    share, one, other = FairShare(1), queue_of(1, None, "a"), queue_of(1, None, "b")
    one.join(share)
    other.join(share)
    one.start("a")
    assert not other.may_start("b")
    one.end("a", 0.0)
    assert (other.may_start("b"), one.next_up()) == (True, ["b"])


def test_the_speed_of_the_queue_tells_when_a_task_starts() -> None:
    queue = queue_of(4, None, *"abcdefghij")
    for number, uid in enumerate("abcd"):
        queue.start(uid)
        assert queue.starts_in_s("e", 10.0) is None
        queue.end(uid, 9.0 + 0.25 * number)
    assert [queue.starts_in_s(uid, 10.0) for uid in ("e", "h", "a")] == [0.25, 1.0, None]
    assert queue.starts_in_s("e", 11.1) is None
    queue.set_dispatch(CLOSED)
    assert queue.starts_in_s("e", 10.0) is None


def test_more_running_than_allowed_is_counted_and_lets_nobody_start() -> None:
    queue = queue_of(1, None, "a")
    queue.start("x")
    queue.start("y")
    assert (queue.running, queue.free, queue.may_start("a")) == (2, 0, False)


def test_no_more_start_than_the_live_workers_take() -> None:
    queue = queue_of(8, None, "a", "b", "c")
    queue.set_limits(QueueLimits(8))
    queue.set_dispatch(replace(OPEN, capacity=2))
    assert queue.next_up() == ["a", "b"]
    assert not queue.may_start("c")
    queue.set_dispatch(OPEN)
    assert queue.next_up() == []
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


def test_a_resting_task_is_passed_and_comes_back_to_its_place() -> None:
    queue = queue_of(1, None, "a", "b")
    queue.rest("a")
    assert (queue.next_up(), queue.waiting, queue.position("a")) == (["b"], 2, None)
    queue.wait(queue_key("a", 0, 1.0, 0), is_accepted=False)
    assert queue.next_up() == ["a"]


def test_who_comes_to_a_full_queue_is_not_let_in() -> None:
    queue = queue_of(2, 1)
    assert [knock(queue, uid, 1.0, n) for n, uid in enumerate("abc")] == [True, True, True]
    assert not knock(queue, "d", 1.0, 3, priority=9)
    assert queue.waiting == 3
    queue.start("a")
    assert not knock(queue, "d", 1.0, 3)
    queue.stop("a")
    assert knock(queue, "d", 1.0, 3)


def test_who_was_accepted_is_let_in_again_however_full_the_queue_is() -> None:
    queue = queue_of(1, 0, "a", "b", "c")
    assert [queue.enter(uid) for uid in "abc"] == [True, True, True]
    assert not knock(queue, "d", 0.0, 0)


def test_a_queue_without_a_bound_lets_everybody_in() -> None:
    queue = queue_of(1)
    assert all(knock(queue, f"t{n}", 1.0, n) for n in range(5000))


def test_those_at_the_door_are_let_in_by_their_creation_whoever_asks_first() -> None:
    queue = queue_of(1, 1)
    for uid, created_s, arrival in [("late", 3.0, 9), ("second", 1.0, 5), ("first", 1.0, 4)]:
        queue.wait(queue_key(uid, 7 if uid == "late" else 0, created_s, arrival), is_accepted=False)
    assert [queue.enter(uid) for uid in ("late", "second", "first")] == [False, True, True]


def test_who_left_the_door_takes_no_room() -> None:
    queue = queue_of(1, 0)
    queue.wait(queue_key("held", 0, 1.0, 1), is_accepted=False)
    queue.stop("held")
    assert knock(queue, "next", 2.0, 2)


def test_an_agent_that_is_gone_has_accepted_nobody() -> None:
    queue = queue_of(1, 0, "a", "b")
    queue.start("a")
    queue.clear()
    assert (queue.waiting, queue.running) == (0, 1)
    assert not knock(queue, "b", 1.0, 1)


@given(TASKS, st.integers(0, 4), st.data())
def test_a_restart_refuses_nobody_whom_the_former_process_had_accepted(
    tasks: list[tuple[int, int, int]], max_queued: int, data: st.DataObject
) -> None:
    """Whatever order a restarted operator looks in, and without a word in their status."""
    places = sorted(
        (queue_key(uid, p, float(c), a) for uid, (p, c, a) in zip(UIDS, tasks, strict=False)), key=lambda x: x[1:]
    )
    before, after = queue_of(2, max_queued), queue_of(2, max_queued)
    accepted = {p[-1] for p in places if knock(before, p[-1], p[1], p[2], -p[0])}
    running = data.draw(st.lists(st.sampled_from(sorted(accepted)), max_size=2, unique=True)) if accepted else []
    for uid in running:
        after.start(uid)
    left = [p for p in places if p[-1] in accepted and p[-1] not in running]
    new = [queue_key(f"new{n}", 9, 100.0, 100 + n) for n in range(3)]
    for place in data.draw(st.permutations([*left, *new])):
        after.wait(place, is_accepted=False)
    asked = {p[-1]: after.enter(p[-1]) for p in data.draw(st.permutations([*left, *new]))}
    assert all(asked[p[-1]] for p in left)
    assert after.waiting + after.running <= 2 + max_queued


@given(TASKS, st.lists(st.integers(0, 11), max_size=12))
def test_a_line_is_its_sorted_content(tasks: list[tuple[int, int, int]], leaving: list[int]) -> None:
    line, wanted = PriorityQueue(), {}
    for uid, (priority, created, arrival) in zip(UIDS, tasks, strict=False):
        for number in (-priority, priority):  # in, and moved
            wanted[uid] = queue_key(uid, number, float(created), arrival)
            line.put(wanted[uid])
    for number in leaving:
        assert line.remove(UIDS[number]) is (wanted.pop(UIDS[number], None) is not None)
    order = [uid for *_, uid in sorted(wanted.values())]
    assert line.first(99) == order
    assert [line.rank(uid) for uid in order] == list(range(len(order)))
    assert line.oldest_s == min((created for _, created, _, _ in wanted.values()), default=None)


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
        queue.wait(queue_key(f"t{n}", 0, Counted(n * 7919 % waiting), n), is_accepted=True)
    dearest = 0
    middle = queue_key("x", 0, Counted(waiting / 2), 0)
    for event in (
        lambda: queue.wait(middle, is_accepted=False),
        lambda: queue.enter("x"),
        lambda: queue.wait((-1, *middle[1:]), is_accepted=False),
        lambda: queue.may_start("x"),
        lambda: queue.position("x"),
        queue.next_up,
        lambda: queue.start("x"),
        lambda: queue.stop("x"),
        lambda: queue.rest("t7"),
        lambda: queue.oldest_s,
    ):
        Counted.comparisons = 0
        event()
        dearest = max(dearest, Counted.comparisons)
    return dearest


@pytest.mark.parametrize("waiting", [50, 5000])
def test_an_event_costs_the_logarithm_of_those_who_wait(waiting: int) -> None:
    searches = 4  # a move leaves two sorted lists and enters them again
    assert 0 < cost_of_one_event(waiting) <= searches * 2 * (waiting.bit_length() + 1)
