"""Waiting for tasks: deadlines, lost watches, clients that go away, many calls."""

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from support.cluster.api_client import Request
from support.cluster.http_cluster import PROBLEM, SUCCEEDED, Caller, PlayedOperator
from support.eventually import LIMIT_S, eventually

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds", "without_operator")]
Serve = Callable[..., str]
TASK = "solve-problem"
CALL_S = 60.0
Relay = tuple[Path, Callable[[], AbstractContextManager[None]]]


async def ask_all(caller: Caller, numbers: range) -> list[httpx.Response]:
    """Call an operation for each number at the same time, over as many connections."""
    headers = {"Authorization": f"Bearer {caller.token}"}
    limits = httpx.Limits(max_connections=len(numbers))
    async with httpx.AsyncClient(base_url=caller.url, headers=headers, timeout=CALL_S, limits=limits) as client:
        bodies = [{"problem_statement": f"problem {number}"} for number in numbers]
        return await asyncio.gather(*(client.post(f"/dspy/{TASK}", json=body) for body in bodies))


def test_a_task_outlives_the_deadline_of_its_call(serve: Serve, token: str, operator: PlayedOperator) -> None:
    answering = operator.call(Caller(serve(timeout_s=3), token))
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


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_lost_watch_is_taken_up_again(
    relayed: Relay,
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


@pytest.mark.parametrize(
    ("accept", "cancels"), [("application/json", True), ("text/event-stream", True), ("application/json", False)]
)
def test_a_client_that_goes_away_cancels_its_task_unless_told_otherwise(
    serve: Serve, token: str, operator: PlayedOperator, *, accept: str, cancels: bool
) -> None:
    address = urlsplit(serve(cancels=cancels))
    body = json.dumps(PROBLEM)
    head = ["POST /dspy/solve-problem HTTP/1.1", "Host: x", f"Accept: {accept}", f"Authorization: Bearer {token}"]
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


def test_two_hundred_calls_at_the_same_time(caller: Caller, operator: PlayedOperator) -> None:
    numbers = range(200)
    asking = operator.pool.submit(lambda: asyncio.run(ask_all(caller, numbers)))
    for task in reversed(operator.wait_tasks(len(numbers))):  # every call has its task before the first one ends
        result = SUCCEEDED["result"] | {"solution_approach": task["spec"]["input"]["problem_statement"]}
        operator.end([task], **SUCCEEDED | {"result": result})
    replies = asking.result()
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
