"""Responses and leases of a worker: signed, and with what was learnt about the models."""

import hmac

import pytest

from cognitive_runtime.adapters.wire import FEATURES
from cognitive_runtime.adapters.worker.lease import LeaseTiming
from cognitive_runtime.adapters.worker.worker import WorkerTiming
from cognitive_runtime.bootstrap.hosted import HostedTiming
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import ExecutionRequest, ModelBehaviour, RateLimited, Reasoning, Usage
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner
from support.fixture_types import StartWorker
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import claim_is, spooled

pytestmark = pytest.mark.component


async def test_a_request_becomes_a_signed_completed_response(
    broker: WireBroker, agent: str, start_worker: StartWorker, settings: RuntimeSettings
) -> None:
    await start_worker()
    attempt = Attempt(agent)
    await broker.publish(attempt)

    response = await broker.wait_response(attempt)

    assert response.outcome == "completed"
    assert response.is_signed_for(attempt)
    assert response.headers["Nats-Msg-Id"] == hmac.new(attempt.key, b"nats-msg-id", "sha256").hexdigest()
    assert response.body["result"] == {"proposed_solution": "Write replicas: 3."}
    assert response.body["confidence"] == 0.9
    assert response.body["submission_id"] == "ca-job-1"
    await eventually_async(lambda: claim_is(broker, attempt, "ended", "completed"))
    await eventually_async(lambda: spooled(settings, 0))


async def test_a_failure_becomes_a_signed_failed_response(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    async def refuse(_: ExecutionRequest) -> Reasoning:
        raise RateLimited("The model server answered HTTP 429.", retry_after_s=2.5)

    reasoner.script = refuse
    await start_worker()
    attempt = Attempt(agent)
    await broker.publish(attempt)

    response = await broker.wait_response(attempt)

    assert response.outcome == "failed"
    assert response.is_signed_for(attempt)
    expected = {"error_type": "RateLimited", "retryable": True, "retry_after_seconds": 2.5}
    assert {name: response.body[name] for name in expected} == expected
    await eventually_async(lambda: claim_is(broker, attempt, "ended", "failed"))


LEARNT = (
    ModelBehaviour("http://127.0.0.1:8000/v1", "gemma-3-270m", frozenset({"top_p", "temperature"}), learnt_at_s=1.5),
    ModelBehaviour("http://127.0.0.1:9/v1", "of-earlier-settings", bounded=True, learnt_at_s=2.0),
)
LEARNT_MODEL = {"endpoint": "http://127.0.0.1:8000/v1", "model": "gemma-3-270m", "refused": ["temperature", "top_p"]}
EARLIER_MODEL = {"endpoint": "http://127.0.0.1:9/v1", "model": "of-earlier-settings", "refused": []}


async def test_a_lease_names_the_features_and_the_models_that_were_learnt(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    reasoner.behaviour = LEARNT
    timing = HostedTiming(WorkerTiming(lease=LeaseTiming(renew_interval_s=0.1)))
    await start_worker(timing=timing)
    leases = await eventually_async(lambda: broker.leases(agent))
    (lease,) = leases.values()
    assert lease["features"] == sorted(FEATURES)
    learnt = [
        LEARNT_MODEL | {"output": "Schema", "bounded": False, "learnt_at": 1.5},
        EARLIER_MODEL | {"output": "Schema", "bounded": True, "learnt_at": 2.0},
    ]
    assert lease["learnt"] == learnt

    reasoner.behaviour = LEARNT[1:]

    async def follows() -> bool:
        (renewed,) = (await broker.leases(agent)).values()
        return bool(renewed["learnt"] == learnt[1:])

    await eventually_async(follows)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_response_names_what_was_learnt_about_the_models_of_its_request(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner, fails: bool
) -> None:
    async def refuse(_: ExecutionRequest) -> Reasoning:
        raise RateLimited("The model server answered HTTP 429.", usage=Usage(1, 2, 3, reasoning_tokens=2))

    if fails:
        reasoner.script = refuse
    reasoner.behaviour = LEARNT
    await start_worker()
    attempt = Attempt(agent)
    await broker.publish(attempt)
    body = (await broker.wait_response(attempt)).body
    assert body["learnt"] == [LEARNT_MODEL | {"output": "Schema", "bounded": False, "learnt_at": 1.5}]
    assert body["usage"].get("reasoning_tokens") == (2 if fails else None)
