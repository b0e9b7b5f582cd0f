"""The wait for a task where an API server refuses or forgets: expired versions, refusals, a broken connection."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.kube import task_watch
from cognitive_runtime.adapters.kube.access import ApiAddress, ClusterAccess, OwnIdentity
from cognitive_runtime.adapters.kube.agents import AgentHealth
from cognitive_runtime.adapters.kube.client import Caller, KubeClient
from cognitive_runtime.adapters.kube.task_calls import CallSettings, TaskCalls
from cognitive_runtime.domain import CognitiveContext, CognitiveTaskType
from cognitive_runtime.domain.call_refused import CallRefused
from support.eventually import eventually_async
from support.servers.http_double import HttpDouble, Reply

pytestmark = pytest.mark.component
BASE = "/apis/cognitive.seedcore.io/v1alpha1/namespaces/team"
TASKS, TASK, AGENT = f"{BASE}/cognitivetasks", f"{BASE}/cognitivetasks/t1", f"{BASE}/cognitiveagents/sre"
CONTEXT = CognitiveContext("sre", CognitiveTaskType.PROBLEM_SOLVING, {"problem_statement": "slow"})
ENDED = {"phase": "Succeeded", "result": {"solution_approach": "a"}}
GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


def task(version: int, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "t1", "namespace": "team", "resourceVersion": str(version)}, "status": status}


def events(*found: dict[str, Any]) -> Reply:
    return Reply(body="".join(json.dumps(each) + "\n" for each in found).encode())


def refused(code: int, message: str, **headers: str) -> Reply:
    return Reply(code, {"kind": "Status", "message": message}, headers=headers)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[HttpDouble]:
    """An API server that has created the task ``t1``."""
    monkeypatch.setattr(task_watch, "FIRST_PAUSE_S", 0.001)
    async with HttpDouble().serve() as double:
        double.reply(f"GET {AGENT}", Reply(json={}))
        double.reply(f"POST {TASKS}", Reply(201, task(5)))
        yield double


@pytest.fixture
async def client(server: HttpDouble) -> AsyncIterator[KubeClient]:
    found = KubeClient(ClusterAccess(ApiAddress(server.url, ssl.create_default_context()), None, "team"))
    yield found
    await found.close()


async def answer(client: KubeClient, timeout_s: float = 30.0) -> dict[str, Any]:
    calls = TaskCalls(client, CallSettings("team", timeout_s=timeout_s))
    found = await calls.of(Caller("t0ken")).answer(CONTEXT)
    await calls.close()
    return found


async def test_a_watch_begins_at_the_version_of_the_creation(server: HttpDouble, client: KubeClient) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}
    server.reply(f"GET {TASKS}", events(bookmark), events({"type": "MODIFIED", "object": task(9, **ENDED)}))
    server.reply(f"GET {TASK}", refused(503, "etcd has no leader"))
    assert (await answer(client))["success"] is True
    first, second = [each.query for each in server.asked if each.path == TASKS and each.method == "GET"]
    assert "fieldSelector=metadata.name%3Dt1" in first
    assert "resourceVersion=5&" in first
    assert "resourceVersion=8&" in second
    assert {each.headers["Authorization"] for each in server.asked} == {"Bearer t0ken"}


@pytest.mark.parametrize(
    "lost", [events(GONE), refused(410, "too old"), events(), refused(429, "busy"), Reply(body=b"{")]
)
async def test_after_a_lost_watch_the_task_is_read_once(server: HttpDouble, client: KubeClient, lost: Reply) -> None:
    server.reply(f"GET {TASKS}", lost)
    server.reply(f"GET {TASK}", Reply(json=task(9, **ENDED)))
    assert (await answer(client))["success"] is True
    assert [each.path for each in server.asked].count(TASK) == 1


async def test_a_token_that_expires_while_the_call_waits_ends_it_with_the_tasks_name(
    server: HttpDouble, client: KubeClient
) -> None:
    server.reply(f"GET {TASKS}", events(), refused(401, "Unauthorized"))
    server.reply(f"GET {TASK}", Reply(json=task(6, phase="Running")))
    found = await answer(client)
    assert (found["error_type"], found["task"]) == ("Unauthorized", "t1")
    assert "t0ken" not in json.dumps(found)


@pytest.mark.parametrize(
    ("reply", "error_type", "expected"),
    [
        (refused(403, "exceeded quota"), "Forbidden", (False, None)),
        (refused(404, 'namespaces "team" not found'), "NotFound", (False, None)),
        (refused(409, "already exists"), "Conflict", (True, None)),
        (refused(413, "request is too large"), "BodyTooLarge", (False, None)),
        (refused(422, "spec.input is invalid"), "InvalidRequest", (False, None)),
        (refused(429, "busy", **{"Retry-After": "3"}), "TooManyRequests", (True, 3.0)),
        (refused(500, "etcdserver: request is too large"), "BodyTooLarge", (False, None)),
        (refused(500, "etcdserver: timed out"), "ApiUnavailable", (True, None)),
        (Reply(302, headers={"Location": "http://elsewhere.example"}), "ApiUnavailable", (True, None)),
        (Reply(200, body=b"<html>"), "ApiUnavailable", (True, None)),
    ],
)
async def test_a_refused_creation_keeps_its_cause(
    server: HttpDouble, client: KubeClient, reply: Reply, error_type: str, expected: tuple[bool, float | None]
) -> None:
    server.reply(f"POST {TASKS}", reply)
    found = await answer(client)
    assert (found["success"], found["error_type"]) == (False, error_type)
    assert (found["retryable"], found.get("retry_after_seconds")) == expected
    assert "task" not in found


async def test_an_api_server_that_does_not_answer_is_unavailable(server: HttpDouble, client: KubeClient) -> None:
    server.reply(f"GET {AGENT}", Reply(503, body=b"no route"))
    found = await answer(client)
    assert (found["error_type"], found["error"]) == ("ApiUnavailable", "no route")


async def test_an_agent_that_the_operator_has_not_seen_yet_is_waited_for(
    server: HttpDouble, client: KubeClient
) -> None:
    waiting = task(6, phase="Pending", reason="AgentNotFound")
    changes = [{"type": "MODIFIED", "object": each} for each in (waiting, task(7, **ENDED))]
    server.reply(f"GET {TASKS}", events(*changes))
    assert (await answer(client))["success"] is True


async def test_a_large_event_is_read(server: HttpDouble, client: KubeClient) -> None:
    large = {"phase": "Succeeded", "result": {"solution_approach": "x" * 1_500_000}}
    server.reply(f"GET {TASKS}", events({"type": "MODIFIED", "object": task(9, **large)}))
    assert len((await answer(client))["solution_approach"]) == 1_500_000


async def test_health_without_a_token_is_read_once_and_for_its_own_agent(server: HttpDouble) -> None:
    tls = ssl.create_default_context()
    client = KubeClient(ClusterAccess(ApiAddress(server.url, tls), OwnIdentity(tls, lambda: "own"), "team"))
    for name in ("sre", "dev"):
        names, llm = {"name": name, "namespace": "team"}, {"model": name, "provider": "vllm"}
        server.reply(f"GET {BASE}/cognitiveagents/{name}", Reply(json={"metadata": names, "spec": {"llm": llm}}))
    health = AgentHealth(client, "team", SystemClock())
    asked = [(await health.check(Caller(None), name))["model"] for name in ("sre", "sre", "dev")]
    await client.close()
    assert asked == ["sre", "sre", "dev"]
    assert [each.headers["Authorization"] for each in server.asked] == ["Bearer own"] * 2


async def test_a_refusal_of_health_without_a_token_is_kept_too(server: HttpDouble) -> None:
    tls = ssl.create_default_context()
    client = KubeClient(ClusterAccess(ApiAddress(server.url, tls), OwnIdentity(tls, lambda: "own"), "team"))
    server.reply(f"GET {BASE}/cognitiveagents/sre", Reply(503))
    health = AgentHealth(client, "team", SystemClock())
    for _ in range(3):
        with pytest.raises(CallRefused):
            await health.check(Caller(None), "sre")
    await client.close()
    assert len(server.asked) == 1


async def test_a_client_that_goes_away_during_the_creation_leaves_no_running_task(
    server: HttpDouble, client: KubeClient
) -> None:
    server.reply(f"PATCH {TASK}", Reply(json=task(6)))
    calls = TaskCalls(client, CallSettings("team"))
    answering = asyncio.create_task(calls.of(Caller("t0ken")).answer(CONTEXT))

    async def is_created() -> bool:
        return any(each.method == "POST" for each in server.asked)

    await eventually_async(is_created, interval_s=0)  # the answer has not arrived: it needs turns of this event loop
    await cancel(answering)
    await calls.close()
    assert answering.cancelled()
    assert [(each.method, each.json) for each in server.asked][-1] == ("PATCH", {"spec": {"cancel": True}})
    assert f"GET {TASKS}" not in [f"{each.method} {each.path}" for each in server.asked]
