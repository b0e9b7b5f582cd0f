"""The turns of agents on one Ray cluster."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_operator.api.resources import Agent
from cognitive_operator.scheduling.agent_queue import AgentQueue
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.fair_share import FairShare, ray_cluster_of
from cognitive_operator.scheduling.limits import QueueLimits
from cognitive_operator.scheduling.priority_queue import queue_key
from support.builders.operator_objects import agent_body

WEIGHTS = st.lists(st.integers(1, 7), min_size=2, max_size=5)


class Cluster:
    """A Ray cluster with agents, whose operator starts whatever may start."""

    def __init__(self, bound: int | None, weights: list[int], limit: int = 10_000) -> None:
        self.share = FairShare(bound)
        self.queues = [AgentQueue(("team", f"agent-{n}")) for n in range(len(weights))]
        self.started: list[int] = []
        self.running: list[tuple[int, str]] = []
        for queue, weight in zip(self.queues, weights, strict=True):
            queue.set_limits(QueueLimits(limit, None, weight, is_job=True))
            queue.set_dispatch(DispatchState(is_blocked=False))
            queue.join(self.share)
        self._created = 0

    def create(self, number: int, tasks: int = 1) -> None:
        for _ in range(tasks):
            self._created += 1
            uid = f"{number}/{self._created}"
            self.queues[number].add(queue_key(uid, 0, 1.0, self._created), is_accepted=True)

    def start(self) -> int:
        """Start all that may start, one by one as their events come, and return how many did."""
        uids = self.share.startable()
        for uid in uids:
            number = int(uid.split("/")[0])
            if self.queues[number].may_start(uid):
                self.queues[number].start(uid)
                self.started.append(number)
                self.running.append((number, uid))
        return len(uids)

    def agree(self) -> None:
        """Check that a task that asks is told the same as those that are called."""
        waiting = [(queue, uid) for queue in self.queues for uid in queue.first(10_000)]
        assert {uid for queue, uid in waiting if queue.may_start(uid)} == set(self.share.startable())

    def finish(self, which: int = 0) -> None:
        number, uid = self.running.pop(which)
        self.queues[number].remove(uid)

    @property
    def waiting(self) -> int:
        return sum(queue.waiting for queue in self.queues)


@given(WEIGHTS, st.integers(1, 5))
def test_backlogged_agents_get_their_weights_in_every_round(weights: list[int], bound: int) -> None:
    cluster = Cluster(bound, weights)
    for number in range(len(weights)):
        cluster.create(number, 200)
    while len(cluster.started) < 4 * sum(weights):
        cluster.start()
        cluster.finish()
    for turn in range(4):
        turns = cluster.started[turn * sum(weights) : (turn + 1) * sum(weights)]
        # what may start at once starts in any order: a batch as large as the bound may straddle the end of a round
        assert all(abs(Counter(turns)[n] - weight) <= bound - 1 for n, weight in enumerate(weights))


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.integers(0, 3), st.integers(1, 6)),
        st.tuples(st.just("finish"), st.integers(0, 50), st.just(0)),
        st.tuples(st.just("close"), st.integers(0, 3), st.integers(0, 1)),
    ),
    max_size=60,
)


@given(st.lists(st.integers(1, 100), min_size=4, max_size=4), st.integers(1, 6), st.integers(1, 4), EVENTS)
def test_never_more_than_the_bounds_and_nothing_idle_that_could_run(
    weights: list[int], bound: int, limit: int, events: list[tuple[str, int, int]]
) -> None:
    cluster = Cluster(bound, weights, limit)
    for kind, number, argument in events:
        if kind == "create":
            cluster.create(number, argument)
        elif kind == "close":
            cluster.queues[number].set_dispatch(DispatchState(is_blocked=not argument))
        elif cluster.running:
            cluster.finish(number % len(cluster.running))
        cluster.agree()
        cluster.start()
        assert len(cluster.running) <= bound
        assert all(queue.slots_in_use <= limit for queue in cluster.queues)
        could = sum(queue.demand for queue in cluster.queues)
        assert len(cluster.running) == bound or could == 0


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 3))
def test_nobody_starves_behind_an_agent_whose_tasks_never_end_coming(mine: int, other: int, bound: int) -> None:
    cluster = Cluster(bound, [mine, other])
    cluster.create(1, 400)
    for _ in range(50):
        cluster.start()
        cluster.finish()
    cluster.create(0)
    before = len(cluster.started)
    while 0 not in cluster.started:
        cluster.start()
        cluster.finish()
    assert cluster.started.index(0) - before <= -(-other // mine) + bound


def test_an_agent_that_was_idle_has_saved_up_no_turns() -> None:
    cluster = Cluster(1, [1, 1])
    cluster.create(1, 100)
    for _ in range(50):
        cluster.start()
        cluster.finish()
    cluster.create(0, 50)
    del cluster.started[:]
    for _ in range(20):
        cluster.start()
        cluster.finish()
    assert abs(cluster.started.count(0) - cluster.started.count(1)) <= 2


def test_turns_are_spread_over_the_round() -> None:
    cluster = Cluster(1, [3, 1])
    cluster.create(0, 20)
    cluster.create(1, 20)
    for _ in range(16):
        cluster.start()
        cluster.finish()
    runs = [list(pair) for pair in pairwise(cluster.started)]
    assert cluster.started.count(0) == 12
    assert [1, 1] not in runs


def test_agents_that_share_nothing_do_not_wait_for_each_other() -> None:
    cluster = Cluster(None, [1, 1], limit=3)
    cluster.create(0, 5)
    cluster.create(1, 5)
    assert cluster.start() == 6
    assert "maxConcurrentTasks" in cluster.queues[0].why_waiting()


def test_who_waits_for_the_others_of_its_cluster_is_told_so() -> None:
    cluster = Cluster(2, [1, 1])
    cluster.create(0, 5)
    cluster.start()
    cluster.create(1)
    assert cluster.start() == 0
    assert "spec.queue.weight" in cluster.queues[1].why_waiting()


def test_what_runs_stays_counted_where_it_was_started() -> None:
    cluster = Cluster(1, [1, 1])
    cluster.create(0)
    cluster.create(1)
    cluster.start()
    cluster.queues[0].join(FairShare(1))
    assert cluster.start() == 0
    cluster.finish()
    assert cluster.start() == 1


def test_an_agent_that_changes_its_cluster_has_no_turn_before_agents_that_had_none() -> None:
    cluster, other = Cluster(1, [1, 1]), FairShare(1)
    cluster.create(0, 2)
    cluster.start()
    cluster.finish()
    cluster.create(1)
    for queue in cluster.queues:
        queue.join(other)
    assert other.startable() == ["1/3"]


def test_what_is_found_running_after_a_restart_counts_and_costs_no_turn() -> None:
    cluster = Cluster(2, [1, 1])
    cluster.queues[0].start("found-1")
    cluster.queues[0].start("found-2")
    cluster.create(0)
    cluster.create(1)
    assert cluster.start() == 0
    cluster.queues[0].remove("found-1")
    cluster.start()
    assert cluster.started == [0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://ray:8265", "http://ray:8265/", True),
        ("http://Ray:8265", "http://ray:8265", True),
        ("http://ray:8265", "http://ray:8266", False),
    ],
)
def test_the_same_address_is_the_same_cluster(one: str, other: str, same: bool) -> None:
    names = [ray_cluster_of(Agent.model_validate(agent_body(ray={"address": a}))) for a in (one, other)]
    assert (names[0] == names[1]) is same


def test_starts_without_a_shared_limit_are_no_turns_of_a_later_one() -> None:
    cluster = Cluster(2, [1, 1])
    queue = cluster.queues[1]
    queue.join(FairShare())
    cluster.create(1, 50)
    for uid in queue.first(50):
        assert queue.may_start(uid)
        queue.start(uid)
        queue.remove(uid)
    queue.join(cluster.share)
    cluster.create(0, 4)
    cluster.create(1, 4)
    for _ in range(2):
        assert cluster.start() == 2
        cluster.finish()
        cluster.finish()
    assert Counter(cluster.started) == {0: 2, 1: 2}
