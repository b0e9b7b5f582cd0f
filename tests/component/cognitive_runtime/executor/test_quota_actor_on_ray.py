"""Rate limits and cache that hold over all workers of an agent, and what happens when they are lost."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
import pytest_asyncio

from servers.nats import NatsServer
from servers.ray_head import RayHead
from support.cluster.executor_processes import actor_pid
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually_async
from support.fixture_types import StartExecutor
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, Response, WireBroker

pytestmark = pytest.mark.component
CACHED = {"cache": {"enabled": True, "ttl_seconds": 600}}
WAIT_FOR_END = """
for _ in range(300):
    try:
        find_quota_actor('{}')
    except ValueError:
        break
    time.sleep(0.2)
else:
    raise SystemExit('it did not end')
"""


@pytest_asyncio.fixture
async def executor(start_executor: StartExecutor) -> str:
    """An executor with two warm workers that share a quota actor; the id of its Ray job."""
    return await start_executor("--workers 2 --concurrency 3 --shared-ledger", ready=2)


@pytest.mark.ray
async def test_two_workers_together_keep_the_limit(
    broker: WireBroker, agent: str, executor: str, model: ScriptedModel
) -> None:
    model.script(is_held=True)
    limited = {"endpoint": model.url, "rate_limit": {"requests_per_minute": 4, "tokens_per_minute": 150_000}}

    attempts = [Attempt(agent) for _ in range(8)]
    answers = asyncio.create_task(_answers(broker, attempts, limited, timeout_seconds=20))
    await eventually_async(lambda: _is_in_flight(model, 4), 20)  # one worker has room for three of them
    model.release()
    responses = await answers

    outcomes = Counter(response.body.get("error_type", "") for response in responses)
    assert outcomes == {"": 4, "RateLimited": 4}
    assert len({response.body["worker"] for response in responses if response.outcome == "completed"}) == 2
    assert len(model.requests) == 4
    for response in responses:
        if response.outcome == "failed":
            assert response.body["retryable"]
            assert 20 < response.body["retry_after_seconds"] < 62
            assert response.body["usage"]["total_tokens"] == 0


async def test_an_answer_is_given_again_by_another_worker(
    broker: WireBroker, agent: str, executor: str, model: ScriptedModel
) -> None:
    (first,) = await _answers(broker, [Attempt(agent)], {"endpoint": model.url} | CACHED)
    assert first.body["cache_hit"] is False

    again = await _answers(broker, [Attempt(agent) for _ in range(12)], {"endpoint": model.url} | CACHED)

    assert {response.body["cache_hit"] for response in again} == {True}
    assert {response.body["worker"] for response in again} - {first.body["worker"]}
    assert len(model.requests) == 1
    for response in again:
        assert response.body["result"] == first.body["result"]
        assert response.body["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        assert response.body["energy"] == {"delta": 0}


@pytest.mark.ray_extended
async def test_without_the_quota_actor_attempts_go_on_until_there_is_another(
    broker: WireBroker, agent: str, executor: str, jobs: RaySubmissions, model: ScriptedModel
) -> None:
    settings = {"endpoint": model.url, "rate_limit": {"requests_per_minute": 60}} | CACHED
    await _answers(broker, [Attempt(agent)], settings)

    os.kill(actor_pid("QuotaActor", executor), signal.SIGKILL)
    without = await _answers(broker, [Attempt(agent) for _ in range(4)], settings)

    assert {response.outcome for response in without} == {"completed"}
    # No faster than the limit: an attempt beyond it would wait for its turn.
    await eventually_async(lambda: _is_given_again(broker, agent, settings), 30, interval_s=1.0)
    lost = [line for line in jobs.logs(executor).splitlines() if "LedgerLost" in line]
    assert len(lost) <= 2, "once for each worker"


@pytest.mark.ray_extended
async def test_attempts_in_job_mode_share_a_quota_actor(
    broker: WireBroker, agent: str, jobs: RaySubmissions, model: ScriptedModel, nats_server: NatsServer
) -> None:
    settings = {"endpoint": model.url} | CACHED

    for expected in (False, True):
        attempt = Attempt(agent)
        await broker.publish(attempt, mode="Job", llm=settings)
        jobs.attempt(attempt.request_subject, nats_server.url, f"ct-{attempt.task_uid}-1")
        response = await broker.wait_response(attempt, 60)
        assert response.body["cache_hit"] is expected
        job = await asyncio.to_thread(jobs.wait, f"ct-{attempt.task_uid}-1")
        assert (job["status"], job["driver_exit_code"]) == ("SUCCEEDED", 0)
    assert len(model.requests) == 1


@pytest.mark.ray
def test_a_quota_actor_of_no_job_outlives_its_maker_and_ends_itself_when_it_is_idle(ray_head: RayHead) -> None:
    _drive(
        ray_head, "ray.get(ensure_quota_actor('a1', IdleTimeout(20, 40, 0.5)).acquire.remote(QuotaRequest(key='k')))"
    )
    _drive(ray_head, f"find_quota_actor('a1')\n{WAIT_FOR_END.format('a1')}")


@pytest.mark.ray_extended
def test_a_quota_actor_of_a_job_ends_with_it(ray_head: RayHead) -> None:
    _drive(ray_head, "ray.get(ensure_quota_actor('a2').ping.remote())")
    _drive(ray_head, WAIT_FOR_END.format("a2"))


def _drive(ray_head: RayHead, code: str) -> None:
    """Run code as a driver on the head."""
    imports = (
        "import ray, time",
        "from cognitive_runtime.domain import QuotaRequest",
        "from cognitive_runtime.adapters.ray.quota_actor import IdleTimeout, find_quota_actor, ensure_quota_actor",
        f"ray.init({ray_head.gcs_address!r}, log_to_driver=False)",
    )
    local = os.environ | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # the head listens on 127.0.0.1 alone
    command = [sys.executable, "-c", "\n".join([*imports, code])]
    ended = subprocess.run(command, env=local, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


async def _answers(broker: WireBroker, attempts: list[Attempt], llm: dict[str, Any], **changes: Any) -> list[Response]:
    await asyncio.gather(*(broker.publish(attempt, llm=llm, **changes) for attempt in attempts))
    return await asyncio.gather(*(broker.wait_response(attempt, 30) for attempt in attempts))


async def _is_in_flight(model: ScriptedModel, count: int) -> bool:
    return model.in_flight == count


async def _is_given_again(broker: WireBroker, agent: str, settings: dict[str, Any]) -> bool:
    (response,) = await _answers(broker, [Attempt(agent)], settings)
    return bool(response.body["cache_hit"])
