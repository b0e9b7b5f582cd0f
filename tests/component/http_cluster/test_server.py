"""The server itself: incidents of each user, health, local use, the command and its end."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from controlplane import ControlPlane
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command
from support.cluster.api_client import ApiClient
from support.cluster.http_cluster import CALLER_RULES, PROBLEM, READY, SUCCEEDED, Caller, PlayedOperator, account
from support.eventually import LIMIT_S

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("crds", "without_operator")]
Serve = Callable[..., str]
TASK = "solve-problem"


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


@pytest.mark.parametrize("incident", [{"title": "disk"}, {"error": "a", "error_message": "b"}, {"error": ""}])
def test_an_incident_without_its_error_is_refused_at_its_registration(caller: Caller, incident: dict[str, str]) -> None:
    refused = caller.request("POST", "/mfb/incidents", json={"incident_id": "i1", **incident})
    assert (refused.status_code, refused.json()["error_type"]) == (422, "InvalidRequest")
    assert "error" in refused.json()["error"]
    assert caller.post("reason-about-failure", {"incident_id": "i1"}).status_code == 404


def test_health_is_that_of_the_server_and_that_of_the_agent(serve: Serve, token: str, operator: PlayedOperator) -> None:
    url = serve()
    nobody, caller = Caller(url, None), Caller(serve(agent=None), token)
    assert nobody.request("GET", "/health").json()["status"] == "healthy"
    ill = caller.request("GET", "/cognitive/health?agent_id=sre")
    assert (ill.status_code, ill.json()["status"], ill.json()["agent"]) == (503, "unhealthy", "sre")
    operator.home.patch("CognitiveAgent", "sre/status", {"status": {"conditions": [READY]}})
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


def test_the_command_serves_and_cancels_the_tasks_of_its_calls_when_it_is_told_to_end(
    control_plane: ControlPlane, token: str, operator: PlayedOperator, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    options = ["--kubeconfig", str(control_plane.kubeconfig_path), "--namespace", operator.home.name, "--agent", "sre"]
    argv = [sys.executable, "-m", "cognitive_runtime", "serve", *options, "--port", str(port), "--grace-seconds", "1"]
    process = ChildProcess(Command("cognitive-runtime serve", argv, tmp_path / "serve.log"))
    caller = Caller(f"http://127.0.0.1:{port}", token)
    process.wait_until(http_ok(f"{caller.url}/health"), LIMIT_S, "a healthy server")
    answering = operator.call(caller)
    operator.wait_tasks()
    process.stop(grace_s=LIMIT_S)
    assert operator.tasks()[0]["spec"].get("cancel") is True
    with contextlib.suppress(httpx.TransportError):
        assert answering.result().status_code >= 500
    assert token not in (tmp_path / "serve.log").read_text(encoding="utf-8")
