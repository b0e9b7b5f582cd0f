"""Scenarios of a core on Ray Serve and of agents as actors. Each runs in a driver of its own."""

import asyncio
import json
import os
import re
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest
from ray import serve
from ray.util.state import list_actors

from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveCore, CognitiveTaskType
from cognitive_runtime.cognitive_serve import (
    CognitiveCoreClient,
    ServeConflict,
    ServeUnavailable,
    deploy_cognitive_core,
    get_dspy_status,
)
from cognitive_runtime.domain import CredentialsRefused
from cognitive_runtime.ray_agent import RayAgent
from support.eventually import eventually_async

SMALL = {"num_cpus": 0.1, "memory": 100 * 1024 * 1024}
TASKS: dict[str, tuple[Any, ...]] = {
    "reason_about_failure": ({"error": "e"},),
    "plan_task": ("Analyze data", {"skill": 0.8}, {"time": "2 hours"}),
    "make_decision": ({"options": ["A", "B"]}, {"history": []}),
    "solve_problem": ("slow", {"cost": "low"}, ["profiling"]),
    "synthesize_memory": ([{"content": "f"}], "Find patterns"),
    "assess_capabilities": ({"tasks_processed": 5}, {"capability_score": 0.5}, {"capability_score": 0.9}),
}


def deploy(**changes: Any) -> CognitiveCoreClient:
    """Deploy a small core."""
    return deploy_cognitive_core(**{"num_replicas": 1, "ray_actor_options": SMALL, **changes})


async def same_shape() -> None:
    """The core in process, the client and an actor give results with the same keys; the HTTP API too."""
    client = deploy()
    actor = RayAgent.remote("a1")
    await actor.log_incident.remote({"incident_id": "i1", "error": "e"})
    context = CognitiveContext("a1", CognitiveTaskType.FAILURE_ANALYSIS, {"error": "e", "incident_id": "i1"})
    async with CognitiveCore() as core:
        expected = await core.answer(context)
    found = await client.reason_about_failure("a1", {"error": "e", "incident_id": "i1"})
    acted = await actor.reason_about_failure.remote("i1")
    body = {"agent_id": "a1", "incident_id": "i1", "incident_context": {"error": "e"}}
    status, posted = await asyncio.to_thread(post, "/cognitive/dspy/reason-about-failure", body)
    assert expected["success"]
    assert status == 200
    assert set(found) == set(acted) == set(posted) == set(expected)
    for method, arguments in TASKS.items():
        assert (await getattr(client, method)("a1", *arguments))["success"], method
    assert (await client.health())["status"] == "healthy"
    assert (await get_dspy_status())["serve_client_available"] is True


async def typed_errors_and_cancellation(model_url: str) -> None:
    """The class of an error survives the handle, and a cancelled call ends at the model."""
    client = deploy()
    context = CognitiveContext("a1", CognitiveTaskType.FAILURE_ANALYSIS, {"error": "typed"})
    await asyncio.to_thread(script, model_url, {"status": 401, "times": 2})
    with pytest.raises(CredentialsRefused) as caught:
        await client.reason(context)
    assert (caught.value.error_type, caught.value.retryable) == ("CredentialsRefused", False)
    result = await client.answer(context)
    assert (result["success"], result["error_type"]) == (False, "CredentialsRefused")
    await asyncio.to_thread(script, model_url, {"hang": True, "times": 1})
    call = asyncio.create_task(client.reason(context))
    await _until(lambda: in_flight(model_url), 1)
    call.cancel()
    assert isinstance((await asyncio.gather(call, return_exceptions=True))[0], asyncio.CancelledError)
    await _until(lambda: in_flight(model_url), 0)
    assert (await client.reason(context)).outputs["proposed_solution"] == "scripted answer"


async def conflicts() -> None:
    """A name or a route of another owner is an error that names it; nothing is overwritten or left over."""
    deploy()
    expect(ServeConflict, "the route /cognitive belongs to the Serve application 'cognitive_core'", name="other")
    expect(ServeConflict, "'cognitive_core' belongs to the deployment CognitiveCore", owner="team-b")
    expect(ServeConflict, "namespace 'seedcore', not in 'elsewhere'", namespace="elsewhere")
    assert set(serve.status().applications) == {"cognitive_core"}
    deploy(max_ongoing_requests=50)
    with pytest.raises(ServeUnavailable, match="'absent'"):
        await CognitiveCoreClient("absent").reason_about_failure("a1", {"error": "e"})


async def dead_replica(model_url: str) -> None:
    """Calls of a replica that dies are answered by another one."""
    client = deploy(num_replicas=2)
    await asyncio.to_thread(script, model_url, {"delay_s": 1.0})
    calls = [asyncio.create_task(client.reason_about_failure("a1", {"error": f"e{n}"})) for n in range(20)]
    await _until(lambda: in_flight(model_url), 20)
    replicas = [each for each in list_actors(detail=True, filters=[("state", "=", "ALIVE")]) if _is_replica(each)]
    assert len(replicas) == 2
    assert replicas[0].pid is not None
    os.kill(replicas[0].pid, signal.SIGKILL)
    results = await asyncio.gather(*calls)
    assert [each["success"] for each in results] == [True] * 20, results


async def many_calls_and_autoscaling() -> None:
    """200 calls at the same time are answered, and the deployment scales by its settings."""
    client = deploy(num_replicas=None, autoscaling_config={"min_replicas": 1, "max_replicas": 2})
    results = await asyncio.gather(*(client.reason_about_failure("a1", {"error": f"many {n}"}) for n in range(200)))
    assert sum(each["success"] for each in results) == 200
    serve.delete("cognitive_core")


async def token() -> None:
    """The HTTP API of an application with a token is closed without it."""
    deploy(name="guarded", route_prefix="/guarded", token="t0ken")
    status, body = await asyncio.to_thread(post, "/guarded/dspy/plan-task", {"task_description": "t"})
    assert (status, body["error_type"]) == (401, "Unauthorized")
    headers = {"Authorization": "Bearer t0ken"}
    status, body = await asyncio.to_thread(post, "/guarded/dspy/plan-task", {"task_description": "t"}, headers)
    assert (status, body["success"]) == (200, True)
    serve.delete("guarded")


def expect(kind: type[Exception], message: str, **changes: Any) -> None:
    """Require that a deployment fails."""
    with pytest.raises(kind, match=re.escape(message)):
        deploy(**changes)


def post(path: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return status and body of a call of Serve's HTTP proxy."""
    request = urllib.request.Request(f"http://127.0.0.1:8000{path}", json.dumps(body).encode(), headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def script(model_url: str, fields: dict[str, Any]) -> None:
    """Script the model."""
    body = json.dumps(fields).encode()
    request = urllib.request.Request(f"{model_url}/_scripts", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def in_flight(model_url: str) -> int:
    """Return the number of calls that the model is answering."""
    with urllib.request.urlopen(f"{model_url}/_in_flight", timeout=10) as response:
        return int(json.load(response))


async def _until(read: Any, expected: int) -> None:
    async def is_reached() -> bool:
        return bool(await asyncio.to_thread(read) == expected)

    await eventually_async(is_reached, 30, 0.05)


def _is_replica(actor: Any) -> bool:
    return str(actor.class_name).startswith("ServeReplica:cognitive_core")
