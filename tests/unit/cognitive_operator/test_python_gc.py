"""The operator's garbage collection visits an object once, and frees cycles of any age after a while."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from cognitive_operator.adapters.asyncio_tasks import end
from cognitive_operator.adapters.python_gc import keep_pauses_short
from support.eventually import eventually_async

LONG_S, SHORT_S = 3600.0, 0.01


class Node:
    """An object in a cycle of references with itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(params=[LONG_S])
async def collecting(request: pytest.FixtureRequest) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(keep_pauses_short(request.param))
    await asyncio.sleep(0)
    yield task
    await end(task)


@pytest.mark.usefixtures("collecting")
def test_a_full_collection_leaves_out_what_has_survived_one() -> None:
    kept = [[number] for number in range(10_000)]
    gc.collect()
    assert gc.get_freeze_count() > len(kept)
    assert len(gc.get_objects(generation=2)) < len(kept)


async def test_full_collections_are_frequent_whatever_is_kept() -> None:
    kept = [[number] for number in range(500_000)]
    task = asyncio.create_task(keep_pauses_short())
    await asyncio.sleep(0)
    before = gc.get_stats()[2]["collections"]
    kept += [[number] for number in range(100_000)]
    assert gc.get_stats()[2]["collections"] - before >= 3
    await end(task)


@pytest.mark.usefixtures("collecting")
def test_what_has_survived_is_freed_by_its_reference_count() -> None:
    kept = Node()
    gc.collect()
    gone = weakref.ref(kept)
    kept.me = Node()
    del kept
    assert gone() is None


@pytest.mark.usefixtures("collecting")
def test_a_young_cycle_is_freed_as_usual() -> None:
    gone = weakref.ref(Node())
    gc.collect(1)
    assert gone() is None


@pytest.mark.parametrize("collecting", [SHORT_S], indirect=True)
async def test_a_cycle_that_has_survived_is_freed_by_the_next_collection_of_all_objects(
    collecting: asyncio.Task[None],
) -> None:
    kept = Node()
    gc.collect()
    gone = weakref.ref(kept)
    del kept

    async def is_gone() -> bool:
        return gone() is None

    await eventually_async(is_gone, interval_s=SHORT_S)


async def test_at_the_end_python_collects_as_before() -> None:
    callbacks, threshold = list(gc.callbacks), gc.get_threshold()
    task = asyncio.create_task(keep_pauses_short())
    await asyncio.sleep(0)
    assert gc.get_threshold() != threshold
    await end(task)
    assert gc.get_threshold() == threshold
    assert gc.callbacks == callbacks
    assert gc.get_freeze_count() == 0
