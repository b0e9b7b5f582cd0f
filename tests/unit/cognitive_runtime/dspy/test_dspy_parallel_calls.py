"""Calls at the same time share the attempt's budget; calls of other threads run in the attempt's event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import dspy
import pytest

from cognitive_runtime.adapters.dspy.calls.engine import ModelEngine
from cognitive_runtime.adapters.dspy.calls.model import AttemptEnded, AttemptModel
from cognitive_runtime.domain import BudgetExceeded, DeadlineExceeded, Message, VLLMRequest, VLLMResponse
from support.builders.language_models import language_model, request, settings
from support.fakes.model_client import FakeModel


async def test_a_call_beyond_the_budget_ends_the_attempt() -> None:
    model = FakeModel("hi")
    lm = language_model(model, budget=60)
    for _ in range(2):
        await lm.acall("Hello")
    with pytest.raises(AttemptEnded) as caught:
        await lm.acall("Hello")
    assert isinstance(caught.value.reason, BudgetExceeded)
    made = len(model.requests)
    with pytest.raises(AttemptEnded):
        await lm.acall("Hello")
    assert len(model.requests) == made


async def test_parallel_calls_share_the_budget() -> None:
    client = FakeModel("hi")
    model = AttemptModel(client, settings(), "uid.1", 400)
    call = VLLMRequest("scripted", (Message("user", "Hello"),), max_tokens=300)
    found = await asyncio.gather(*(model.generate(call) for _ in range(2)))
    assert [each.content for each in found] == ["hi", "hi"]
    assert [each.max_tokens for each in client.requests] == [300, 98]


async def test_parallel_calls_wait_for_tokens_that_running_ones_may_leave() -> None:
    client = FakeModel("hi")
    model = AttemptModel(client, settings(), "uid.1", 310)
    call = VLLMRequest("scripted", (Message("user", "Hello"),), max_tokens=300)

    async def ask() -> str:
        assert model.answer_tokens(5, 300) > 0
        return (await model.generate(call)).content

    found = await asyncio.wait_for(asyncio.gather(*(ask() for _ in range(5))), 5)
    assert found == ["hi"] * 5
    assert [each.max_tokens for each in client.requests] == [300, 294, 279, 264, 249]


async def test_calls_that_wait_for_tokens_end_with_the_attempt() -> None:
    client = FakeModel("hi")
    client.hangs_from = 1
    model = AttemptModel(client, settings(), "uid.1", 310)
    call = VLLMRequest("scripted", (Message("user", "Hello"),), max_tokens=300)
    tasks = [asyncio.create_task(model.generate_for_thread(call)) for _ in range(2)]
    await asyncio.wait_for(client.called.wait(), 5)
    model.end(DeadlineExceeded("over"))
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert [type(each) for each in found] == [asyncio.CancelledError] * 2
    assert client.calls == 1


async def test_the_event_loops_own_thread_is_refused_at_once() -> None:
    model = FakeModel("hi")
    lm = language_model(model)
    with pytest.raises(dspy.LMConfigurationError, match="acall"):
        lm("Hello")
    assert not model.requests


async def test_another_thread_is_answered_by_the_event_loop() -> None:
    model = FakeModel("hi")
    lm = language_model(model)
    assert await asyncio.to_thread(lm, "Hello") == ["hi"]


async def test_another_event_loop_is_answered_by_the_one_of_the_attempt() -> None:
    loops: set[asyncio.AbstractEventLoop] = set()

    class Noting(FakeModel):
        async def generate(self, request: VLLMRequest) -> VLLMResponse:
            loops.add(asyncio.get_running_loop())
            return await super().generate(request)

    lm = language_model(Noting("hi"))
    assert await asyncio.to_thread(lambda: asyncio.run(lm.acall("Hello"))) == ["hi"]
    assert loops == {asyncio.get_running_loop()}


async def test_an_event_loop_that_waits_for_a_thread_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cognitive_runtime.adapters.dspy.calls.engine.BLOCKED_LOOP_S", 0.05)
    model = FakeModel("hi")
    lm = language_model(model)
    with ThreadPoolExecutor(1) as threads, pytest.raises(dspy.LMConfigurationError, match="blocked"):
        threads.submit(lm, "Hello").result(5)  # blocks the event loop
    await asyncio.sleep(0)
    assert not model.requests


def test_a_thread_whose_event_loop_is_closed_is_told_so() -> None:
    model = FakeModel("hi")
    loop = asyncio.new_event_loop()
    engine = ModelEngine(AttemptModel(model, settings(), "uid.1"), loop)
    loop.close()
    with pytest.raises(AttemptEnded, match="cancelled"):
        engine.complete(request())
