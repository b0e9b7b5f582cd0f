"""The HTTP API: results, status codes, incidents, tokens and clients that go away."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from cognitive_runtime.adapters.http.app import create_app
from cognitive_runtime.adapters.http.reading import MAX_BODY_BYTES
from cognitive_runtime.bootstrap.core_service import local_api
from cognitive_runtime.cognitive_core import CognitiveContext, CognitiveCore, CognitiveTaskType
from cognitive_runtime.llm_config import LLMConfig
from support.eventually import eventually
from support.servers.http_server import HttpServer
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
MIB = 1024 * 1024
CALLS: dict[str, dict[str, Any]] = {
    "reason-about-failure": {"incident_context": {"error": "e"}},
    "plan-task": {"task_description": "Analyze data", "agent_capabilities": {"skill": 0.8}},
    "make-decision": {"decision_context": {"options": ["A", "B"]}},
    "solve-problem": {"problem_statement": "slow", "available_tools": ["profiling"]},
    "synthesize-memory": {"memory_fragments": [{"content": "f"}], "synthesis_goal": "g"},
    "assess-capabilities": {"performance_data": {"tasks_processed": 5}},
}
Start = Callable[..., TestClient]


def config(model: ScriptedModel, **changes: Any) -> LLMConfig:
    plain = {"enable_caching": False, "max_retries": 0, "rate_limit_requests_per_minute": 10_000}
    settings: dict[str, Any] = plain | {"rate_limit_tokens_per_minute": 10**9} | changes
    return LLMConfig(provider="local", model="scripted", api_base=model.url, **settings)


@pytest.fixture
def start(model: ScriptedModel) -> Iterator[Start]:
    """Start an API with a token and changed settings, on one event loop."""
    clients: list[TestClient] = []

    def once(token: str | None = None, **changes: Any) -> TestClient:
        client = TestClient(create_app(local_api(config(model, **changes), token, "cognitive_core")))
        clients.append(client.__enter__())
        return client

    yield once
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def api(start: Start) -> TestClient:
    return start()


@pytest.mark.parametrize(("path", "body"), CALLS.items())
def test_each_operation_answers_with_both_names_of_the_thought(
    api: TestClient, path: str, body: dict[str, Any]
) -> None:
    reply = api.post(f"/dspy/{path}", json={"agent_id": "a1", **body})
    assert reply.status_code == 200
    result = reply.json()
    assert (result["success"], result["agent_id"]) == (True, "a1")
    assert result["thought"] == result["thought_process"] == "scripted answer"
    assert result["energy_cost"] == 0.15


def test_the_result_is_that_of_the_core_in_process(api: TestClient, model: ScriptedModel) -> None:
    body = {"agent_id": "a1", "incident_id": "i1", "incident_context": {"error": "e"}}
    posted = api.post("/dspy/reason-about-failure", json=body).json()
    context = CognitiveContext("a1", CognitiveTaskType.FAILURE_ANALYSIS, {"error": "e", "incident_id": "i1"})
    assert posted == CognitiveCore(config=config(model))(context)


def test_texts_may_be_query_parameters_and_a_list_the_whole_body(api: TestClient) -> None:
    planned = api.post("/dspy/plan-task", params={"task_description": "Analyze data", "agent_id": "a2"}).json()
    assert (planned["task_description"], planned["agent_id"]) == ("Analyze data", "a2")
    assert api.post("/dspy/synthesize-memory?synthesis_goal=g", json=[{"content": "f"}]).json()["success"]
    twice = api.post("/dspy/plan-task?agent_id=a2", json={"task_description": "t", "agent_id": "a1"})
    assert (twice.status_code, twice.json()["detail"][0]["field"]) == (422, "agent_id")


def test_an_incident_is_analysed_by_its_id_and_never_invented(api: TestClient, model: ScriptedModel) -> None:
    unknown = api.post("/dspy/reason-about-failure", json={"incident_id": "i1"})
    assert (unknown.status_code, unknown.json()["success"]) == (404, False)
    assert unknown.json()["error_type"] == "UnknownIncident"
    assert not model.requests
    assert api.post("/mfb/incidents?salience_score=0.7", json={"incident_id": "i1", "error": "disk"}).status_code == 201
    known = api.post("/dspy/reason-about-failure", params={"incident_id": "i1"})
    assert (known.status_code, known.json()["incident_id"]) == (200, "i1")
    sent = json.dumps(model.requests[-1].body["messages"])
    assert "disk" in sent
    assert "0.7" in sent


@pytest.mark.parametrize(
    ("incident", "query", "problem"),
    [
        ({}, "", "at least one field"),
        ({"incident_id": " "}, "", "incident_id must be a text"),
        ({"error": "e"}, "?salience_score=2", "salience_score is 2"),
        ({"error": "e"}, "?salience_score=nan", "salience_score is nan"),
        ({"error": "e"}, "?salience_score=high", "'high' is not a number"),
        ({"error": "x" * 300_000}, "", "at most 262144"),
    ],
)
def test_an_invalid_incident_is_refused(api: TestClient, incident: Any, query: str, problem: str) -> None:
    reply = api.post(f"/mfb/incidents{query}", json=incident)
    assert (reply.status_code, reply.json()["success"]) == (422, False)
    assert problem in reply.json()["error"]


@pytest.mark.parametrize(
    ("scripted", "status", "error_type"),
    [
        ({"status": 429, "headers": {"Retry-After": "7"}}, 429, "RateLimited"),
        ({"status": 503}, 503, "ModelUnavailable"),
        ({"status": 401}, 502, "CredentialsRefused"),
        ({"content": "no JSON"}, 502, "OutputParseError"),
        ({"null_content": True}, 502, "EmptyResponse"),
        ({"hang": True}, 504, "ModelTimeout"),
    ],
)
def test_a_failure_of_the_model_has_its_own_status(
    start: Start, model: ScriptedModel, scripted: dict[str, Any], status: int, error_type: str
) -> None:
    model.script(**scripted)
    reply = start(timeout=1.0 if "hang" in scripted else 30.0).post(
        "/dspy/solve-problem", json={"problem_statement": "slow"}
    )
    result = reply.json()
    assert (reply.status_code, result["success"], result["error_type"]) == (status, False, error_type)
    assert reply.headers.get("retry-after") == ("7" if status == 429 else None)


@pytest.mark.parametrize(
    ("content", "status", "named"),
    [
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'"text"', 400, "JSON object"),
        (b'{"task_description": NaN}', 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"{}", 422, "task_description: Field required"),
        (b'{"task_description": " "}', 422, "task_description"),
        (b'{"task_description": 5}', 422, "task_description"),
        (b'{"task_description": "t", "agent": "a"}', 422, "agent: Extra inputs"),
    ],
)
def test_a_bad_body_is_refused_by_name(
    api: TestClient, model: ScriptedModel, content: bytes, status: int, named: str
) -> None:
    reply = api.post("/dspy/plan-task", content=content)
    assert (reply.status_code, reply.json()["success"], reply.json()["error_type"]) == (status, False, "InvalidRequest")
    assert named in reply.json()["error"]
    assert not model.requests


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MIB])
def test_a_large_body_is_refused(api: TestClient, size: int) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(size // MIB):
            yield b" " * MIB
        yield b" " * (size % MIB)

    for content in (b" " * size, chunks()):
        reply = api.post("/dspy/plan-task", content=content)
        assert (reply.status_code, reply.json()["error_type"]) == (413, "BodyTooLarge")


def test_a_token_closes_the_api_but_not_its_health(start: Start, model: ScriptedModel) -> None:
    api = start(token="t0ken")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic t0ken"}):
        for reply in (
            api.post("/dspy/plan-task", json=CALLS["plan-task"], headers=headers),
            api.post("/mfb/incidents", json={"error": "e"}, headers=headers),
            api.get("/dspy/status", headers=headers),
        ):
            assert (reply.status_code, reply.json()["error_type"]) == (401, "Unauthorized")
            assert reply.headers["www-authenticate"] == "Bearer"
    assert not model.requests
    assert api.post("/dspy/plan-task", json=CALLS["plan-task"], headers={"Authorization": "Bearer t0ken"}).is_success
    assert api.get("/health").is_success
    assert api.get("/openapi.json").is_success


def test_health_is_the_models_answer_and_asks_once(start: Start, model: ScriptedModel) -> None:
    healthy = start()
    assert [healthy.get(path).json()["status"] for path in ("/health", "/cognitive/health")] == ["healthy"] * 2
    assert len(model.requests) == 1
    model.script(status=503)
    ill = start().get("/cognitive/health")
    assert (ill.status_code, ill.json()["status"], ill.json()["model"]) == (503, "unhealthy", "scripted")
    assert "ModelUnavailable" in ill.json()["error"]
    assert ill.json()["remedy"] == "check that the model server runs, and its address and logs"


def test_the_status_names_what_is_available(api: TestClient) -> None:
    found = api.get("/dspy/status").json()
    assert (found["success"], found["cognitive_core_available"], found["serve_client_available"]) == (True, True, False)
    assert len(found["supported_task_types"]) >= 6


def test_a_stream_has_the_models_pieces_and_ends_with_the_result(api: TestClient, model: ScriptedModel) -> None:
    reply = api.post("/dspy/solve-problem", json=CALLS["solve-problem"], headers={"Accept": "text/event-stream"})
    events = [each.split("\n", 1) for each in reply.text.strip().split("\n\n")]
    pieces = [json.loads(data.removeprefix("data: "))["text"] for name, data in events if name == "event: piece"]
    assert len(pieces) > 3
    assert json.loads("".join(pieces))["thought"] == "scripted answer"
    name, data = events[-1]
    assert name == "event: result"
    assert json.loads(data.removeprefix("data: "))["solution_approach"] == "scripted answer"
    assert model.requests[0].body["stream"] is True


def test_other_paths_and_methods_are_failures_of_the_same_form(api: TestClient) -> None:
    other = api.get("/dspy/other").json()
    assert (other["error_type"], other["error"]) == (
        "NotFound",
        "the API has no such path; /docs and /openapi.json list the operations",
    )
    wrong = api.get("/dspy/plan-task")
    assert "the header Allow names the right one" in wrong.json()["error"]
    assert (wrong.status_code, wrong.json()["error_type"], wrong.headers["allow"]) == (405, "MethodNotAllowed", "POST")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_a_client_that_goes_away_ends_its_call(model: ScriptedModel, accept: str) -> None:
    model.script(hang=True)
    with HttpServer(lambda: create_app(local_api(config(model), None, "cognitive_core"))) as server:
        host, _, port = server.url.removeprefix("http://").partition(":")
        body = json.dumps(CALLS["plan-task"])
        with socket.create_connection((host, int(port))) as client:
            head = ["POST /dspy/plan-task HTTP/1.1", "Host: x", f"Accept: {accept}", f"Content-Length: {len(body)}"]
            client.sendall("\r\n".join([*head, "", body]).encode())
            eventually(lambda: model.in_flight == 1, 10, 0.02)
        eventually(lambda: model.in_flight == 0, 10, 0.02)
        model.reset()
        assert httpx.post(f"{server.url}/dspy/plan-task", json=CALLS["plan-task"]).is_success


def test_two_hundred_calls_at_the_same_time(model: ScriptedModel) -> None:
    model.script(delay_s=0.5)
    numbers = range(200)

    async def ask(url: str) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(numbers))
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
            return await asyncio.gather(
                *(client.post("/dspy/plan-task", json={"task_description": f"task {n}"}) for n in numbers)
            )

    with HttpServer(lambda: create_app(local_api(config(model), None, "cognitive_core"))) as server:
        began = time.monotonic()
        replies = asyncio.run(ask(server.url))
    assert {reply.status_code for reply in replies} == {200}
    assert [reply.json()["task_description"] for reply in replies] == [f"task {n}" for n in numbers]
    assert model.peak > 20
    assert time.monotonic() - began < 60
