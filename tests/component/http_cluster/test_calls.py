"""Calls as tasks against a real API server with RBAC: rights, refusals and results."""

from collections.abc import Callable

import httpx
import pytest

from support.cluster.api_client import ApiClient
from support.cluster.http_cluster import CALLER_RULES, PROBLEM, SUCCEEDED, Caller, PlayedOperator, account
from support.eventually import eventually

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds", "without_operator")]
Serve = Callable[..., str]
TASK = "solve-problem"
TWO_MIB, TEN_MIB = 2 * 1024**2, 10 * 1024**2
QUEUE_FULL = {"phase": "Failed", "reason": "QueueFull", "message": "CognitiveAgent team/sre already has 2 tasks."}


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


@pytest.mark.parametrize(
    ("content", "status", "error_type"),
    [
        (b"{", 400, "InvalidRequest"),
        (b'"text"', 400, "InvalidRequest"),
        (b'{"problem_statement": 5}', 422, "InvalidRequest"),
        (b" " * TEN_MIB, 413, "BodyTooLarge"),
        (b'{"problem_statement": "%s"}' % (b"x" * TWO_MIB), 422, "InvalidRequest"),
        (b'{"problem_statement": "p", "constraints": {"a": "%s"}}' % (b"x" * TWO_MIB), 413, "BodyTooLarge"),
        (b'{"problem_statement": "p", "constraints": {"a": "%s"}}' % (b"x" * (2 * TWO_MIB - 100)), 413, "BodyTooLarge"),
    ],
)
def test_a_bad_body_creates_no_task(
    caller: Caller, operator: PlayedOperator, content: bytes, status: int, error_type: str
) -> None:
    reply = caller.request("POST", f"/dspy/{TASK}", content=content)
    assert (reply.status_code, reply.json()["success"], reply.json()["error_type"]) == (status, False, error_type)
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
