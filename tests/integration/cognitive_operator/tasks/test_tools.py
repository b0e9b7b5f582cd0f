"""Tasks with tools, from apply to their end, with an executor and an MCP server that the test plays."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from servers.nats import NatsServer
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, task
from support.eventually import eventually
from support.servers.http_double import HttpDouble, Reply
from support.servers.played_executor import executor_of, threaded
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
NAME = "handy"
FEATURES = ["optional_sampling", "tools"]
USES_TOOLS: dict[str, Any] = {"tools": {"enabled": True}}
DEFAULTS = {"retryPolicy": {"maxRetries": 2, "backoffSeconds": 0}}
CALL = {
    "number": 1,
    "server": "files",
    "tool": "read_file",
    "arguments_sha256": "ab" * 32,
    "outcome": "Succeeded",
    "seconds": 0.25,
}


class McpDouble:
    """An MCP server with one tool, which can be away."""

    def __init__(self) -> None:
        self.is_up = True

    def reply(self, method: str, path: str, body: Any) -> Reply | None:
        """Answer a request."""
        if not self.is_up:
            return Reply(503)
        if body is None or "id" not in body:
            return Reply(202)
        result = {"protocolVersion": "2025-06-18", "tools": [{"name": "read_file"}]}
        return Reply(json={"jsonrpc": "2.0", "id": body["id"], "result": result})


@pytest.fixture
async def mcp() -> AsyncIterator[tuple[McpDouble, str]]:
    server, double = McpDouble(), HttpDouble()
    double.answer_by(server.reply)
    async with double.serve():
        yield server, f"{double.url}/mcp"


@pytest.fixture
def make_executor(cluster: Cluster, nats_server: NatsServer, model: ScriptedModel) -> Callable[..., Any]:
    def make(url: str, **spec: Any) -> Any:
        tools = {"servers": [{"name": "files", "url": url, "allow": ["read_*"]}]}
        return executor_of(cluster, nats_server, model, NAME, **{"tools": tools, "taskDefaults": DEFAULTS} | spec)

    return make


async def test_a_task_with_tools_waits_for_them_and_a_plain_one_does_not(
    cluster: Cluster, make_executor: Callable[..., Any], mcp: tuple[McpDouble, str]
) -> None:
    server, url = mcp
    server.is_up = False
    async with make_executor(url) as executor:
        executor.lease["features"] = ["optional_sampling"]
        await threaded(cluster.wait_ready, NAME)
        _, message = await threaded(cluster.wait_condition, NAME, "ToolsReady", "ToolServerInvalid")
        assert message.startswith(f"spec.tools.servers files: {url}: HTTP 503 to initialize")
        cluster.apply(task("needy", NAME, **USES_TOOLS), task("plain", NAME))
        await threaded(cluster.wait_condition, "needy", "Dispatched", "ToolsNotReady", kind="ctask")
        assert f"{url}: HTTP 503" in cluster.status("needy")["message"]
        request = await executor.take()
        assert request["task_name"] == "plain"
        assert "tools" not in request
        await executor.complete(request)
        server.is_up = True
        await threaded(cluster.wait_condition, "needy", "Dispatched", "RuntimeOutdated", 40.0, kind="ctask")
        assert (await threaded(cluster.wait_condition, NAME, "ToolsReady", "Available"))[0] == "True"
        executor.lease["features"] = FEATURES
        request = await executor.take()
        assert request["tools"]["servers"] == [
            {"name": "files", "url": url, "allow": ["read_*"], "timeout_seconds": 30}
        ]
        await executor.complete(request, operations=[CALL])
        status = await threaded(cluster.wait_phase, "needy", "Succeeded")
        assert status["operations"] == [
            {
                "number": 1,
                "server": "files",
                "tool": "read_file",
                "argumentsSha256": "ab" * 32,
                "outcome": "Succeeded",
                "seconds": 0.25,
            }
        ]
        cluster.kubectl("patch", "cagent", NAME, "--type=merge", "-p", '{"spec":{"tools":null}}')
        await threaded(eventually, lambda: "ToolsReady" not in conditions(cluster))
        cluster.apply(task("lonely", NAME, **USES_TOOLS))
        await threaded(cluster.wait_condition, "lonely", "Dispatched", "ToolsNotFound", kind="ctask")


def conditions(cluster: Cluster) -> list[str]:
    return [each["type"] for each in cluster.get("cagent", NAME)["status"]["conditions"]]


async def test_a_lost_attempt_with_side_effects_is_not_repeated_even_by_another_operator(
    cluster: Cluster,
    make_executor: Callable[..., Any],
    mcp: tuple[McpDouble, str],
    operator_process: OperatorProcess,
) -> None:
    async with make_executor(mcp[1]) as executor:
        executor.lease["features"] = FEATURES
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(task("wrote", NAME, **USES_TOOLS), task("read", NAME, **USES_TOOLS))
        cluster.apply(task("bold", NAME, **USES_TOOLS, retryPolicy={"afterSideEffects": "Retry"}))
        requests = {each["task_name"]: each for each in [await executor.take() for _ in range(3)]}
        for name in ("wrote", "read", "bold"):
            await threaded(cluster.wait_phase, name, "Running")
        await threaded(operator_process.stop)
        await executor.record_side_effects(requests["wrote"])
        await executor.record_side_effects(requests["bold"])
        executor.vanish()
        await threaded(operator_process.resume)
        status = await threaded(cluster.wait_phase, "wrote", "Failed", 60.0)
        assert status["reason"] == "SideEffects"
        assert [(a["outcome"], a["errorType"]) for a in status["attempts"]] == [("Lost", "ExecutorLost")]
        assert "Check what the tools have changed, then create another task." in status["message"]
        for name in ("read", "bold"):
            assert len((await threaded(cluster.wait_phase, name, "Queued", 60.0))["attempts"]) == 1
        assert len(executor.requests) == 3


async def test_a_reported_failure_after_side_effects_is_not_repeated(
    cluster: Cluster, make_executor: Callable[..., Any], mcp: tuple[McpDouble, str]
) -> None:
    async with make_executor(mcp[1]) as executor:
        executor.lease["features"] = FEATURES
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(task("wrote", NAME, **USES_TOOLS))
        request = await executor.take()
        await executor.record_side_effects(request)
        await executor.fail(request, "ModelTimeout", retryable=True, operations=[CALL])
        status = await threaded(cluster.wait_phase, "wrote", "Failed")
        assert (status["reason"], status["attempts"][0]["errorType"]) == ("SideEffects", "ModelTimeout")
        cluster.apply(task("read", NAME, **USES_TOOLS))
        first = await executor.take()
        await executor.fail(first, "ToolsUnavailable", retryable=True)
        again = await executor.take()
        assert (again["task_name"], again["attempt"]) == ("read", 2)
        await executor.complete(again)
        await threaded(cluster.wait_phase, "read", "Succeeded")


async def test_a_suspended_task_with_side_effects_does_not_start_again(
    cluster: Cluster, make_executor: Callable[..., Any], mcp: tuple[McpDouble, str]
) -> None:
    async with make_executor(mcp[1]) as executor:
        executor.lease["features"] = FEATURES
        await threaded(cluster.wait_ready, NAME)
        cluster.apply(task("wrote", NAME, **USES_TOOLS))
        request = await executor.take()
        await threaded(cluster.wait_phase, "wrote", "Running")
        await executor.record_side_effects(request)
        cluster.kubectl("patch", "ctask", "wrote", "--type=merge", "-p", '{"spec":{"suspend":true}}')
        await executor.fail(request, "Cancelled", retryable=False)
        status = await threaded(cluster.wait_phase, "wrote", "Failed")
        assert status["reason"] == "SideEffects"
