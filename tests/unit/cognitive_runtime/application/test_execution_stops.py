"""The deadline, a stop or a cancellation ends an attempt, and what it has spent counts."""

import asyncio

import pytest

from cognitive_runtime.application import StopSignal
from cognitive_runtime.domain import Cancelled, LeaseLost, ModelEndpoint, ModelUnavailable, Reasoning, Usage
from support.builders.executions import failure, forever, good, run


async def test_the_deadline_ends_what_runs_too_long() -> None:
    found = await failure(forever, timeout_seconds=0.05)
    assert (found.error_type, found.retryable) == ("DeadlineExceeded", False)
    assert 40 <= found.duration_ms < 1000


async def test_the_deadline_does_not_wait_for_a_reasoner_that_will_not_stop() -> None:
    released = asyncio.Event()

    async def stubborn() -> Reasoning:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        return Reasoning({}, "")

    found = await failure(stubborn, timeout_seconds=0.05)
    released.set()
    await asyncio.sleep(0.01)
    assert found.error_type == "DeadlineExceeded"


@pytest.mark.parametrize("reason", [Cancelled("TaskDeleted"), LeaseLost("The lease was not renewed for 10 s.")])
async def test_a_stop_ends_it_with_the_reason_given(reason: Cancelled | LeaseLost) -> None:
    stop = StopSignal()
    running = asyncio.create_task(failure(forever, stop))
    await asyncio.sleep(0.01)
    stop.stop(reason)
    stop.stop(Cancelled("a second reason that does not count"))
    found = await asyncio.wait_for(running, 1)
    assert (found.error_type, found.error) == (reason.error_type, str(reason))


async def test_what_is_stopped_before_it_begins_does_not_begin() -> None:
    begun = []

    async def answer() -> Reasoning:
        begun.append(True)
        return await good()

    stop = StopSignal()
    stop.stop(Cancelled("TaskDeleted"))
    assert (await failure(answer, stop)).error_type == "Cancelled"
    assert not begun


async def test_the_reasoner_sees_the_cancellation() -> None:
    cancelled = asyncio.Event()

    async def answer() -> Reasoning:
        try:
            return await forever()
        finally:
            cancelled.set()

    await failure(answer, timeout_seconds=0.02)
    assert cancelled.is_set()


async def test_cancelling_the_caller_cancels_the_reasoner_and_raises() -> None:
    running = asyncio.create_task(run(forever))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def spending() -> Reasoning:
    try:
        return await forever()
    except asyncio.CancelledError:
        error = ModelUnavailable("cancelled", usage=Usage(1, 2, 3))
        error.answered_by = ModelEndpoint("vllm", "other", "http://other")
        raise error from None


async def test_what_was_spent_before_the_deadline_counts() -> None:
    outcome = await failure(spending, timeout_seconds=0.05)
    assert (outcome.error_type, outcome.usage) == ("DeadlineExceeded", Usage(1, 2, 3))
    assert (outcome.model, outcome.provider, outcome.endpoint) == ("other", "vllm", "http://other")


@pytest.mark.parametrize("reason", [Cancelled("stopped"), LeaseLost("lost")])
async def test_what_was_spent_before_a_stop_counts_for_that_attempt_alone(reason: Cancelled | LeaseLost) -> None:
    stop = StopSignal()
    asyncio.get_running_loop().call_later(0.05, stop.stop, reason)
    outcome = await failure(spending, stop)
    assert (outcome.error_type, outcome.error, outcome.usage) == (reason.error_type, str(reason), Usage(1, 2, 3))
    assert reason.usage == Usage()


async def test_a_thought_that_came_too_late_costs_its_energy() -> None:
    async def late() -> Reasoning:
        try:
            return await forever()
        except asyncio.CancelledError:
            return Reasoning({"proposed_solution": "x"}, thought="x" * 200)

    outcome = await failure(late, timeout_seconds=0.02)
    assert (outcome.error_type, outcome.energy_delta) == ("DeadlineExceeded", 2.0)


async def test_native_reasoning_that_came_too_late_costs_its_energy() -> None:
    async def late() -> Reasoning:
        try:
            return await forever()
        except asyncio.CancelledError:
            error = ModelUnavailable("cancelled")
            error.native_reasoning = "x" * 300
            raise error from None

    outcome = await failure(late, timeout_seconds=0.02)
    assert (outcome.error_type, outcome.energy_delta) == ("DeadlineExceeded", 3.0)
