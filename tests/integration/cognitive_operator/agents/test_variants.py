"""Variants of an agent on a real API server: their choice, their settings and their counters over killed operators."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from servers.nats import NatsServer
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, task
from support.eventually import eventually
from support.servers.played_executor import executor_of, threaded
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_executor import WireExecutor

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
NAME = "played"
TASKS, SLOTS, WORKERS = 150, 16, 4
STEADY = {"name": "steady", "weight": 3, "systemPrompt": "Answer in one sentence.", "temperature": 0}
FLAKY = {"name": "flaky", "weight": 1, "model": "other"}
QUALITY = {"steady": 0.75, "flaky": 0.5}


@pytest.fixture
def make_executor(cluster: Cluster, nats_server: NatsServer, model: ScriptedModel) -> Callable[..., Any]:
    def make(*variants: dict[str, Any], **spec: Any) -> Any:
        return executor_of(cluster, nats_server, model, NAME, llm={"variants": list(variants)}, **spec)

    return make


def fails(request: dict[str, Any]) -> bool:
    """Return True for every second task of the variant ``flaky``, by its UID."""
    return request["variant"] == "flaky" and int(request["task_uid"][:8], 16) % 2 == 0


async def answer(executor: WireExecutor, request: dict[str, Any]) -> None:
    """Answer as a model of the request's variant, with one repair for each answer of ``flaky``."""
    variant = request["variant"]
    calls = {"count": 1, "repairs": 0, "waits_ms": 5, "latencies_ms": [20]}
    if variant == "flaky":
        calls |= {"count": 2, "repairs": 1}
    if fails(request):
        await executor.fail(request, "BadRequest", retryable=False, variant=variant, calls=calls)
    else:
        await executor.complete(request, confidence=QUALITY[variant], variant=variant, calls=calls)
    await executor.end_claim(request, "failed" if fails(request) else "completed")


@asynccontextmanager
async def answered(executor: WireExecutor, workers: int = WORKERS) -> AsyncIterator[None]:
    """Answer every request meanwhile."""

    async def work() -> None:
        while True:
            await answer(executor, await executor.take(60.0))

    running = [asyncio.create_task(work()) for _ in range(workers)]
    try:
        yield
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def comparison(cluster: Cluster, tasks: int) -> dict[str, dict[str, Any]]:
    """Wait until all tasks are counted, and return the status of each variant."""

    def counted() -> dict[str, dict[str, Any]]:
        status = cluster.get("cagent", NAME).get("status", {})
        assert status.get("tasksProcessed") == tasks
        return {each["name"]: each for each in status["variants"]}

    return eventually(counted, 60.0, 0.2)


async def test_two_variants_are_counted_exactly_although_operators_are_killed(
    cluster: Cluster, make_executor: Callable[..., Any], operator_process: OperatorProcess
) -> None:
    never = {"retryPolicy": {"maxRetries": 0}}
    async with make_executor(STEADY, FLAKY, queue={"maxConcurrentTasks": SLOTS}, taskDefaults=never) as executor:
        executor.lease["capacity"] = SLOTS
        await threaded(cluster.wait_ready, NAME)
        async with answered(executor):
            await threaded(cluster.apply, *[task(f"t{n:03}", NAME) for n in range(TASKS)])
            for share in (4, 2):
                await threaded(eventually, lambda n=share: len(executor.requests) >= TASKS // n, 30.0)
                await threaded(operator_process.kill)
                await threaded(operator_process.resume)
            found = await threaded(comparison, cluster, TASKS)
        requests = {request["task_uid"]: request for request in executor.requests}
    assert len(requests) == len(executor.requests) == TASKS
    by_variant = Counter(request["variant"] for request in requests.values())
    bad = sum(map(fails, requests.values()))
    assert 0 < bad < by_variant["flaky"] < by_variant["steady"]
    assert {name: each["tasksProcessed"] for name, each in found.items()} == dict(by_variant)
    steady, flaky = found["steady"], found["flaky"]
    assert (steady["tasksSucceeded"], flaky["tasksSucceeded"]) == (by_variant["steady"], by_variant["flaky"] - bad)
    assert flaky["successRateLow"] < flaky["successRate"] < flaky["successRateHigh"] < steady["successRateLow"]
    assert (steady["repairs"], flaky["repairs"]) == (0, by_variant["flaky"])
    assert (steady["calls"], flaky["calls"]) == (by_variant["steady"], 2 * by_variant["flaky"])
    assert steady["confidence"]["count"] == by_variant["steady"]
    assert {each: found[each]["confidence"]["mean"] for each in found} == QUALITY
    statuses = {body["metadata"]["uid"]: body["status"]["variant"] for body in cluster.items("ctask")}
    assert statuses == {uid: request["variant"] for uid, request in requests.items()}


async def test_a_task_keeps_its_variant_over_retries_and_a_removed_one_is_replaced(
    cluster: Cluster, make_executor: Callable[..., Any]
) -> None:
    retry = {"retryPolicy": {"maxRetries": 3, "backoffSeconds": 0}}
    off = FLAKY | {"weight": 0}
    async with make_executor(STEADY, off, taskDefaults=retry) as executor:
        await threaded(cluster.wait_ready, NAME)
        await threaded(cluster.apply, task("t", NAME))
        first = await executor.take()
        settings = first["agent"]
        assert (first["variant"], settings["system_prompt"]) == ("steady", "Answer in one sentence.")
        assert (settings["llm"]["model"], settings["llm"]["temperature"]) == (NAME, 0)
        assert cluster.status("t")["variant"] == "steady"
        cluster.patch("cagent", NAME, {"spec": {"llm": {"variants": [STEADY | {"weight": 0}, FLAKY]}}})
        await executor.fail(first, "ModelTimeout", retryable=True, retry_after_seconds=None)
        second = await executor.take()
        assert (second["attempt"], second["variant"]) == (2, "steady")
        cluster.patch("cagent", NAME, {"spec": {"llm": {"variants": [FLAKY]}}})
        await executor.fail(second, "ModelTimeout", retryable=True, retry_after_seconds=None)
        third = await executor.take()
        assert (third["attempt"], third["variant"], third["agent"]["llm"]["model"]) == (3, "flaky", "other")
        await answer(executor, third)
        status = await threaded(eventually, lambda: ended(cluster, "t"), 30.0, 0.1)
        assert status["variant"] == "flaky"
        found = await threaded(comparison, cluster, 1)
        assert found["flaky"]["tasksProcessed"] == 1


def ended(cluster: Cluster, name: str) -> dict[str, Any]:
    status = cluster.status(name)
    assert status.get("phase") in ("Succeeded", "Failed")
    return status
