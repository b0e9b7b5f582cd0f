"""Events of a call."""

import asyncio
from typing import Any

import pytest

from cognitive_runtime.adapters.http.events import stream_answer
from cognitive_runtime.domain import CognitiveContext, CognitiveTaskType


class Crashing:
    """Answerer with a defect."""

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        """Raise after a turn of the event loop."""
        await asyncio.sleep(0)
        raise RuntimeError(f"{context.agent_id}, {stream}")


async def test_a_call_that_raises_ends_its_stream_at_once() -> None:
    context = CognitiveContext("a1", CognitiveTaskType.PROBLEM_SOLVING, {"problem_statement": "slow"})
    events = aiter(stream_answer(Crashing(), context).body_iterator)
    async with asyncio.timeout(10):
        with pytest.raises(RuntimeError, match="a1, True"):
            await anext(events)
