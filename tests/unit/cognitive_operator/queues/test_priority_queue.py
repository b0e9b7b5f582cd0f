"""The priority queue: sorted by priority, creation and arrival, with the rank of each task."""

from hypothesis import given
from hypothesis import strategies as st

from cognitive_operator.scheduling.priority_queue import PriorityQueue, QueueKey, queue_key

UIDS = [f"t{n:02d}" for n in range(12)]
TASKS = st.lists(
    st.tuples(st.integers(-2, 2), st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=12
)  # priority, created, arrival


@given(TASKS, st.lists(st.integers(0, 11), max_size=12))
def test_a_priority_queue_is_its_sorted_content(tasks: list[tuple[int, int, int]], leaving: list[int]) -> None:
    queue, wanted = PriorityQueue(), dict[str, QueueKey]()
    for uid, (priority, created, arrival) in zip(UIDS, tasks, strict=False):
        for number in (-priority, priority):  # in, and moved
            wanted[uid] = queue_key(uid, number, float(created), arrival)
            queue.put(wanted[uid])
    for number in leaving:
        assert queue.remove(UIDS[number]) is (wanted.pop(UIDS[number], None) is not None)
    order = [uid for *_, uid in sorted(wanted.values())]
    assert queue.first(99) == order
    assert [queue.rank(uid) for uid in order] == list(range(len(order)))
    assert queue.oldest_s == min((created for _, created, _, _ in wanted.values()), default=None)
