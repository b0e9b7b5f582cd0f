"""Memory of a process that makes many model calls through DSPy."""

import asyncio
import gc

import dspy
import pytest

from cognitive_runtime.adapters.dspy.calls.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.calls.engine import AttemptLM
from cognitive_runtime.adapters.dspy.calls.model import AttemptModel
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import FakeModel

pytestmark = pytest.mark.component
CALLS = 20_000


async def test_memory_is_flat_over_many_calls() -> None:
    client = FakeModel({"answer": "a"})
    client.keeps_requests = False
    loop = asyncio.get_running_loop()
    lm = AttemptLM(AttemptModel(client, execution_request().agent.llm, "uid.1"), loop)
    predict = dspy.Predict("question -> answer")

    def objects_after(calls: int) -> int:
        for count in range(calls):
            lm(f"Hello {count}")
        with dspy.context(lm=lm, adapter=JSONAnswerAdapter(), trace=None):
            predict(question="Hello")
        gc.collect()
        return len(gc.get_objects())

    before = await asyncio.to_thread(objects_after, 100)
    assert await asyncio.to_thread(objects_after, CALLS) - before < CALLS / 100
    assert (lm.history, getattr(predict, "history", [])) == ([], [])
