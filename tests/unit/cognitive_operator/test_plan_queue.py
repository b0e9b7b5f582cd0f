"""The queue of one agent."""

from cognitive_operator.plan.queue import AgentQueue


def filled(limit: int) -> AgentQueue:
    queue = AgentQueue(limit=limit)
    for arrival, (uid, created) in enumerate([("c", 3.0), ("a", 1.0), ("b", 1.0)]):
        queue.wait(uid, created, arrival)
    return queue


def test_first_in_first_out_by_creation_then_arrival() -> None:
    queue = filled(2)
    assert queue.next_up() == ["a", "b"]
    assert [queue.position(uid) for uid in "abc"] == [1, 2, 3]
    assert not queue.may_start("c")


def test_a_started_task_takes_a_slot_and_leaves_the_line() -> None:
    queue = filled(2)
    queue.start("a")
    assert (queue.free, queue.running, queue.waiting) == (1, 1, 2)
    assert queue.position("b") == 1
    assert not queue.may_start("c")


def test_a_stopped_task_frees_its_slot() -> None:
    queue = filled(1)
    queue.start("a")
    assert queue.next_up() == []
    queue.stop("a")
    assert queue.next_up() == ["b"]


def test_waiting_twice_keeps_the_place_and_a_running_task_does_not_wait() -> None:
    queue = filled(1)
    queue.wait("a", 99.0, 99)
    assert queue.position("a") == 1
    queue.start("a")
    queue.wait("a", 1.0, 1)
    assert queue.position("a") is None


def test_more_running_than_allowed_is_counted_and_lets_nobody_start() -> None:
    queue = filled(1)
    queue.start("x")
    queue.start("y")
    assert (queue.running, queue.free) == (2, 0)
    assert not queue.may_start("a")


def test_an_unknown_agent_has_no_slots() -> None:
    assert filled(0).next_up() == []
