"""Counts of an attempt's model calls in its outcome: calls, repairs, waits for the rate limit and latencies."""

import asyncio
import json

import pytest

from cognitive_runtime.adapters.model import VLLMHTTPClient
from cognitive_runtime.domain import CallMeter, Message, ModelCalls, Permit, Unlimited, VLLMRequest
from cognitive_runtime.domain.calls import MAX_LATENCIES
from support.builders.runtime_requests import Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
GOOD = json.dumps({"thought": "t", "proposed_solution": "p", "confidence_score": 0.5})
WAIT_S = 0.03


async def test_one_answer_is_one_call_with_its_latency(run: Run, model: ScriptedModel) -> None:
    model.script(delay_s=0.05, content=GOOD)
    calls = completed(await run()).calls
    assert (calls.count, calls.repairs, calls.waits_ms) == (1, 0, 0)
    (latency_ms,) = calls.latencies_ms
    assert 50 <= latency_ms < 5000


async def test_a_repaired_answer_is_two_calls_and_one_repair(run: Run, model: ScriptedModel) -> None:
    model.script(content="no JSON", times=1)
    model.script(content=GOOD)
    outcome = completed(await run())
    assert outcome.repaired
    assert (outcome.calls.count, outcome.calls.repairs, len(outcome.calls.latencies_ms)) == (2, 1, 2)


async def test_calls_that_failed_count_too(run: Run, model: ScriptedModel) -> None:
    model.script(status=500, error={"message": "no"}, times=1)
    model.script(content=GOOD)
    calls = completed(await run(llm={"max_retries": 1, "retry_delay_seconds": 0})).calls
    assert (calls.count, calls.repairs, len(calls.latencies_ms)) == (2, 0, 2)


async def test_a_failure_has_the_calls_up_to_it(run: Run, model: ScriptedModel) -> None:
    model.script(content="no JSON")
    outcome = failed(await run())
    assert outcome.error_type == "OutputParseError"
    assert (outcome.calls.count, outcome.calls.repairs) == (2, 1)


async def test_a_deadline_keeps_the_counts(run: Run, model: ScriptedModel) -> None:
    model.script(content="no JSON", times=1)
    model.script(hang=True)
    outcome = failed(await run(timeout_seconds=2))
    assert outcome.error_type == "DeadlineExceeded"
    assert outcome.calls.repairs == 1


async def test_the_variant_of_a_request_is_that_of_its_outcome(run: Run, model: ScriptedModel) -> None:
    assert completed(await run(variant="b")).variant == "b"
    assert completed(await run()).variant is None


class SlowLimit(Unlimited):
    """Rate limit that has room after a short wait."""

    async def acquire(self, request: VLLMRequest) -> Permit:
        await asyncio.sleep(WAIT_S)
        return Permit()


async def test_waits_for_the_rate_limit_are_no_latency(model: ScriptedModel) -> None:
    meter = CallMeter()
    client = VLLMHTTPClient(model.url, "a", "DEV", "m", allowance=SlowLimit(), meter=meter)
    await client.generate(VLLMRequest("m", (Message("user", "u"),), output="Text"))
    assert meter.calls.count == 1
    assert meter.calls.waits_ms >= 1000 * WAIT_S - 1


def test_the_latencies_are_bounded_and_the_count_is_not() -> None:
    meter = CallMeter()
    for _ in range(MAX_LATENCIES + 3):
        meter.add_call(0.5)
    assert (meter.calls.count, meter.calls.latencies_ms) == (MAX_LATENCIES + 3, (500,) * MAX_LATENCIES)
    both = ModelCalls(1, 2, 3, (4,)) + ModelCalls(1, 1, 1, (5,))
    assert both == ModelCalls(2, 3, 4, (4, 5))
    assert len((meter.calls + meter.calls).latencies_ms) == MAX_LATENCIES
