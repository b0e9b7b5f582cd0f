"""The reasoners around the core delegate to it."""

import asyncio
from collections.abc import Callable

from cognitive_runtime.adapters.worker.lazy_reasoner import LazyReasoner
from cognitive_runtime.adapters.worker.tracked_reasoner import TrackedReasoner
from cognitive_runtime.application import LargeInputReasoner
from cognitive_runtime.domain import InputRef, IReasoner, ModelBehaviour
from support.fakes.scripted_reasoner import ScriptedReasoner

LEARNT = (ModelBehaviour("http://h", "m", frozenset({"temperature"})),)


class NoInputs:
    async def fetch(self, ref: InputRef) -> bytes:
        raise AssertionError


async def around(make: Callable[[], IReasoner]) -> tuple[LazyReasoner, TrackedReasoner]:
    lazy = LazyReasoner(make)
    return lazy, TrackedReasoner(LargeInputReasoner(lazy, NoInputs()))


async def test_learnt_behaviour_passes_through_once_the_core_is_loaded() -> None:
    lazy, outer = await around(lambda: ScriptedReasoner(behaviour=LEARNT))
    assert outer.learnt() == ()
    loading = asyncio.create_task(lazy.load())
    await asyncio.sleep(0)
    assert outer.learnt() == ()
    await loading
    assert outer.learnt() == LEARNT


async def test_a_core_that_cannot_be_loaded_has_learnt_nothing() -> None:
    def fail() -> IReasoner:
        raise ImportError

    lazy, outer = await around(fail)
    await asyncio.gather(lazy.load(), return_exceptions=True)
    assert outer.learnt() == ()
