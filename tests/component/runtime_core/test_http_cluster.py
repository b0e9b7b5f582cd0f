"""The HTTP API of a cluster against a real API server with RBAC: rights, refusals, results, lost watches."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from controlplane import ControlPlane
from servers.ports import free_ports
from support.builders.crd_objects import agent
from support.cluster.api_client import ApiClient, Namespace, Request
from support.cluster.http_cluster import CALLER_RULES, PROBLEM, SUCCEEDED, Caller, PlayedOperator, account, serving
from support.eventually import LIMIT_S, eventually
from support.servers.tcp_relay import relay

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds", "without_operator")]
Serve = Callable[..., str]
TASK = "solve-problem"
QUEUE_FULL = {"phase": "Failed", "reason": "QueueFull", "message": "CognitiveAgent team/sre already has 2 tasks."}


@pytest.fixture
def home(api: ApiClient, namespace: str) -> Namespace:
    """A namespace with the agent ``sre``."""
    found = Namespace(api, namespace)
    found.create(agent("sre", llm={"provider": "vllm"}))
    return found


@pytest.fixture
def operator(home: Namespace) -> Iterator[PlayedOperator]:
    found = PlayedOperator(home)
    yield found
    found.close()


@pytest.fixture
def token(api: ApiClient, home: Namespace) -> str:
    return account(api, home.name, "caller", CALLER_RULES)


@pytest.fixture
def serve(control_plane: ControlPlane, home: Namespace) -> Iterator[Serve]:
    """Serve the cluster of the administrator's kubeconfig, which has a client certificate."""
    with ExitStack() as stack:

        def start(kubeconfig: Path = control_plane.kubeconfig_path, **settings: Any) -> str:
            changed = {"namespace": home.name, "agent": "sre", "timeout_s": LIMIT_S} | settings
            return stack.enter_context(serving(kubeconfig, **changed))

        yield start


@pytest.fixture
def caller(serve: Serve, token: str) -> Caller:
    return Caller(serve(), token)


def test_a_call_is_a_task_of_the_caller_and_answers_with_its_result(caller: Caller, operator: PlayedOperator) -> None:
    answering = operator.call(caller, **PROBLEM, agent_id="a1")
    (task,) = operator.wait_tasks()
    assert task["spec"] == {
        "agentRef": {"name": "sre"},
        "type": "ProblemSolving",
        "input": PROBLEM,
        "ttlSecondsAfterFinished": 3600,
    }
    assert task["metadata"]["name"].startswith("http-problem-solving-")
    assert task["metadata"]["labels"] == {"cognitive.seedcore.io/created-by": "http-api"}
    operator.end([task], phase="Running", reason="Running")
    operator.end([task], **SUCCEEDED, confidence=0.9)
    reply = answering.result()
    assert reply.status_code == 200
    assert reply.json() == {
        "task_type": "problem_solving",
        "agent_id": "a1",
        "model_used": "m1",
        "provider": "vllm",
        "task": task["metadata"]["name"],
        "namespace": operator.home.name,
        "thought": "t",
        "thought_process": "t",
        "solution_approach": "a",
        "solution_steps": ["s"],
        "success_metrics": ["m"],
        "success": True,
        "confidence": 0.9,
        "cache_hit": False,
        "energy_cost": 0.5,
    }


def test_the_rights_of_the_callers_decide_and_never_those_of_the_server(
    serve: Serve, api: ApiClient, operator: PlayedOperator
) -> None:
    url, home = serve(), operator.home.name
    only_agents = account(api, home, "reader", CALLER_RULES[1:])
    refused = Caller(url, only_agents).post(TASK, PROBLEM)
    assert (refused.status_code, refused.json()["error_type"]) == (403, "Forbidden")
    assert f"system:serviceaccount:{home}:reader" in refused.json()["error"]
    for token in ("wrong", None):
        unknown = Caller(url, token).post(TASK, PROBLEM)
        assert (unknown.status_code, unknown.json()["error_type"]) == (401, "Unauthorized")
        assert unknown.headers["www-authenticate"] == "Bearer"
    basic = httpx.post(f"{url}/dspy/{TASK}", json=PROBLEM, headers={"Authorization": "Basic eDp5"})
    assert basic.status_code == 401
    assert operator.tasks() == []


def test_a_caller_that_may_not_watch_learns_the_name_of_its_task(
    serve: Serve, api: ApiClient, operator: PlayedOperator
) -> None:
    blind = [{**CALLER_RULES[0], "verbs": ["create"]}]
    reply = Caller(serve(), account(api, operator.home.name, "blind", blind)).post(TASK, PROBLEM)
    (task,) = operator.tasks()
    assert (reply.status_code, reply.json()["task"]) == (403, task["metadata"]["name"])


def test_rules_of_the_crd_are_refusals_with_the_api_servers_message(caller: Caller, operator: PlayedOperator) -> None:
    reply = caller.post("assess-capabilities", {"performance_data": {"tasks": 5}})
    assert (reply.status_code, reply.json()["error_type"]) == (422, "InvalidRequest")
    assert "needs spec.input.current_capabilities" in reply.json()["error"]
    assert (reply.json()["success"], reply.json()["retryable"]) == (False, False)
    assert operator.tasks() == []


@pytest.mark.parametrize("agent_id", ["absent", "default_agent", "..", "a/b", "x" * 253])
def test_a_missing_agent_is_not_found(serve: Serve, token: str, operator: PlayedOperator, agent_id: str) -> None:
    reply = Caller(serve(agent=None), token).post(TASK, {**PROBLEM, "agent_id": agent_id})
    assert (reply.status_code, reply.json()["error_type"]) == (404, "AgentNotFound")
    assert operator.tasks() == []


def test_a_missing_agent_is_not_found_by_a_caller_that_may_not_read_agents(
    serve: Serve, api: ApiClient, operator: PlayedOperator
) -> None:
    caller = Caller(serve(agent=None), account(api, operator.home.name, "writer", CALLER_RULES[:1]))
    answering = operator.call(caller, **PROBLEM, agent_id="absent")
    (task,) = operator.wait_tasks()
    operator.end([task], phase="Pending", reason="AgentNotFound", message="there is no agent")
    reply = answering.result()
    assert (reply.status_code, reply.json()["error_type"]) == (404, "AgentNotFound")
    assert reply.json()["task"] == task["metadata"]["name"]
    eventually(lambda: operator.tasks()[0]["spec"].get("cancel"))


def test_a_full_queue_says_when_to_come_again(caller: Caller, operator: PlayedOperator) -> None:
    answering = operator.call(caller)
    operator.end(operator.wait_tasks(), **QUEUE_FULL)
    reply = answering.result()
    assert (reply.status_code, reply.headers["retry-after"], reply.json()["retryable"]) == (429, "5", True)
    assert reply.json()["error"] == QUEUE_FULL["message"]


def test_a_task_outlives_the_deadline_of_its_call(serve: Serve, token: str, operator: PlayedOperator) -> None:
    answering = operator.call(Caller(serve(timeout_s=1), token))
    (task,) = operator.wait_tasks()
    operator.end([task], phase="Queued", reason="AgentNotReady", message="ModelReady is False")
    reply = answering.result()
    assert (reply.status_code, reply.json()["error_type"]) == (504, "TaskNotFinished")
    assert reply.json()["task"] == task["metadata"]["name"]
    assert "Queued: AgentNotReady" in reply.json()["error"]
    assert "cancel" not in operator.tasks()[0]["spec"]


def test_a_deleted_task_ends_its_call(caller: Caller, operator: PlayedOperator) -> None:
    answering = operator.call(caller)
    (task,) = operator.wait_tasks()
    path = operator.home.path("CognitiveTask", task["metadata"]["name"])
    operator.home.api(Request("DELETE", path))
    reply = answering.result()
    assert (reply.status_code, reply.json()["error_type"]) == (410, "TaskDeleted")


@pytest.fixture
def relayed(control_plane: ControlPlane, tmp_path: Path) -> tuple[Path, Callable[[], AbstractContextManager[None]]]:
    """A kubeconfig whose server is a relay to the API server, and the relay, which a test opens and closes."""
    (port,) = free_ports(1)
    config = yaml.safe_load(control_plane.kubeconfig_path.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path, partial(relay, "127.0.0.1", port, urlsplit(control_plane.url).port or 0)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_lost_watch_is_taken_up_again(
    relayed: tuple[Path, Callable[[], AbstractContextManager[None]]],
    serve: Serve,
    token: str,
    operator: PlayedOperator,
    is_deleted: bool,
) -> None:
    kubeconfig, opened = relayed
    caller = Caller(serve(kubeconfig), token)
    with opened():
        answering = operator.call(caller)
        (task,) = operator.wait_tasks()
    if is_deleted:
        operator.home.api(Request("DELETE", operator.home.path("CognitiveTask", task["metadata"]["name"])))
    else:
        operator.end([task], **SUCCEEDED)
    assert not answering.done()
    with opened():
        reply = answering.result(timeout=LIMIT_S)
    assert (reply.status_code, reply.json()["success"]) == ((410, False) if is_deleted else (200, True))


@pytest.mark.parametrize("cancels", [True, False])
def test_a_client_that_goes_away_cancels_its_task_unless_told_otherwise(
    serve: Serve, token: str, operator: PlayedOperator, cancels: bool
) -> None:
    address = urlsplit(serve(cancels=cancels))
    body = json.dumps(PROBLEM)
    head = ["POST /dspy/solve-problem HTTP/1.1", "Host: x", f"Authorization: Bearer {token}"]
    with socket.create_connection((address.hostname or "", address.port or 0)) as client:
        client.sendall("\r\n".join([*head, f"Content-Length: {len(body)}", "", body]).encode())
        (task,) = operator.wait_tasks()
    if cancels:
        eventually(lambda: operator.tasks()[0]["spec"].get("cancel"))
        return
    after = operator.call(Caller(address.geturl(), token))  # the same event loop has seen the client leave meanwhile
    operator.end([each for each in operator.wait_tasks(2) if each != task], **SUCCEEDED)
    assert after.result().status_code == 200
    assert [each["spec"].get("cancel") for each in operator.tasks()] == [None, None]


def test_fifty_calls_at_the_same_time(caller: Caller, operator: PlayedOperator) -> None:
    numbers = range(50)
    answering = [operator.call(caller, problem_statement=f"problem {number}") for number in numbers]
    for task in reversed(operator.wait_tasks(len(numbers))):
        result = SUCCEEDED["result"] | {"solution_approach": task["spec"]["input"]["problem_statement"]}
        operator.end([task], **SUCCEEDED | {"result": result})
    replies = [each.result() for each in answering]
    assert {reply.status_code for reply in replies} == {200}
    assert [reply.json()["solution_approach"] for reply in replies] == [f"problem {number}" for number in numbers]
    assert len({reply.json()["task"] for reply in replies}) == len(numbers)


def test_a_stream_ends_with_the_result(caller: Caller, operator: PlayedOperator) -> None:
    accept = {"Accept": "text/event-stream"}
    answering = operator.pool.submit(caller.request, "POST", f"/dspy/{TASK}", json=PROBLEM, headers=accept)
    operator.end(operator.wait_tasks(), **SUCCEEDED)
    name, _, data = answering.result().text.strip().partition("\n")
    assert name == "event: result"
    assert json.loads(data.removeprefix("data: "))["success"] is True


def test_an_incident_belongs_to_the_user_who_registered_it(
    serve: Serve, api: ApiClient, token: str, operator: PlayedOperator
) -> None:
    url = serve()
    mine, other = Caller(url, token), Caller(url, account(api, operator.home.name, "other", CALLER_RULES))
    assert Caller(url, "wrong").request("POST", "/mfb/incidents", json={"error": "disk"}).status_code == 401
    assert mine.request("POST", "/mfb/incidents", json={"incident_id": "i1", "error": "disk"}).status_code == 201
    unknown = other.post("reason-about-failure", {"incident_id": "i1"})
    assert (unknown.status_code, unknown.json()["error_type"]) == (404, "UnknownIncident")
    answering = operator.call(mine, "reason-about-failure", incident_id="i1")
    (task,) = operator.wait_tasks()
    assert task["spec"]["input"] == {"incident_id": "i1", "error": "disk"}
    operator.end([task], **SUCCEEDED)
    assert answering.result().json()["incident_id"] == "i1"


def test_health_is_that_of_the_server_and_that_of_the_agent(serve: Serve, token: str, operator: PlayedOperator) -> None:
    url = serve()
    nobody, caller = Caller(url, None), Caller(serve(agent=None), token)
    assert nobody.request("GET", "/health").json()["status"] == "healthy"
    ill = caller.request("GET", "/cognitive/health?agent_id=sre")
    assert (ill.status_code, ill.json()["status"], ill.json()["agent"]) == (503, "unhealthy", "sre")
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    operator.home.patch("CognitiveAgent", "sre/status", {"status": {"conditions": [ready]}})
    for healthy in (
        nobody.request("GET", "/cognitive/health"),
        caller.request("GET", "/cognitive/health?agent_id=sre"),
    ):
        assert (healthy.status_code, healthy.json()["provider"]) == (200, "vllm")
    assert caller.request("GET", "/cognitive/health?agent_id=absent").status_code == 404
    assert caller.request("GET", "/cognitive/health").status_code == 422
    assert Caller(caller.url, None).request("GET", "/cognitive/health?agent_id=sre").status_code == 401
    assert caller.request("GET", "/dspy/status?agent_id=sre").json()["cognitive_core_available"] is True
    assert nobody.request("GET", "/dspy/status").status_code == 401


def test_the_kubeconfigs_user_serves_local_calls_and_no_web_page(serve: Serve, operator: PlayedOperator) -> None:
    caller = Caller(serve(allows_own=True), None)
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        reply = caller.request("POST", f"/dspy/{TASK}", json=PROBLEM, headers=headers)
        assert (reply.status_code, reply.json()["error_type"]) == (403, "Forbidden")
    assert operator.tasks() == []
    answering = operator.call(caller)
    operator.end(operator.wait_tasks(), **SUCCEEDED)
    assert answering.result().status_code == 200
    assert Caller(caller.url, "wrong").post(TASK, PROBLEM).status_code == 401
