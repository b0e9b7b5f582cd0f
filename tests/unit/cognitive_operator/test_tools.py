"""An agent's tools: the condition ToolsReady, the gate of tasks with tools, and the request."""

from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.tools import ToolServer
from cognitive_operator.api.wire_signature import SignatureSnapshot
from cognitive_operator.desired.request import desired_request
from cognitive_operator.errors import ObjectInvalidError, TransientError
from cognitive_operator.plan.features import task_features
from cognitive_operator.plan.in_flight import attempt_end
from cognitive_operator.plan.probe import ProbeIntervals
from cognitive_operator.plan.signature import UsedSignature
from cognitive_operator.plan.tools import (
    TOOLS_NOT_CHECKED,
    check_allowed,
    failed_check,
    lacks_token,
    tools_gate,
    tools_ready,
    unusable_tools,
)
from cognitive_operator.ports.tools import ToolProbeResult
from cognitive_operator.reconcile.agent.tools import ToolReadiness
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.gates.tools import ToolsGate
from cognitive_operator.status.agent import agent_status
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeSecrets

NAME = ("team", "sre")
FILES: dict[str, Any] = {"name": "files", "url": "http://files/mcp", "allow": ["read_*"]}
SIDECAR: dict[str, Any] = {"name": "git", "command": ["serve"], "image": "git:1", "port": 9000, "allow": ["*"]}
MANAGED: dict[str, Any] = {"ray": {"cluster": {}}}


def agent(*servers: dict[str, Any], **more: Any) -> Agent:
    spec = {name: more.pop(name) for name in ("ray", "llm") if name in more}
    return Agent.model_validate(o.agent_body(tools={"servers": list(servers), **more}, **spec))


def server(**fields: Any) -> ToolServer:
    return ToolServer.model_validate(FILES | fields)


def task(**spec: Any) -> Task:
    return Task.model_validate(o.task_body(**{"tools": {"enabled": True}} | spec))


def tools_of(given: Agent, of: Task | None = None) -> dict[str, Any] | None:
    request = desired_request(of or task(), given, o.key(), b"m" * 32, o.NOW)
    found: dict[str, Any] | None = request.model_dump().get("tools")
    return found


@pytest.mark.parametrize(
    ("allow", "tools", "ok"),
    [
        (["read_*"], ["read_file", "write_file"], True),
        (["*"], ["anything"], True),
        (["read"], ["read_file"], False),
        (["re*d_f*e"], ["read_file"], True),
        (["r.ad"], ["read"], False),
        ([], ["read_file"], False),
        (["*"], [], False),
    ],
)
def test_a_server_needs_an_allowed_tool(allow: list[str], tools: list[str], ok: bool) -> None:
    found = check_allowed(server(allow=allow), tools)
    assert (found.ok, found.reason) == (ok, Reason.AVAILABLE if ok else Reason.TOOLS_NOT_ALLOWED)
    assert "files" in found.message


def test_the_message_names_the_allowed_tools_and_what_to_do_where_there_are_none() -> None:
    assert check_allowed(server(), ["read_a", "write"]).message == "files offers 1 tool (read_a)."
    assert check_allowed(server(allow=[]), [f"t{n}" for n in range(7)]).message == (
        "spec.tools.servers files: allow (none) matches no tool of the server, which has 7 tools (t0, t1, t2, t3, t4 "
        "and 2 more). Add the names of tools or patterns such as read_*."
    )


def test_one_server_that_fails_makes_the_tools_unready() -> None:
    good = check_allowed(server(), ["read_a"])
    bad = failed_check(server(name="shop"), Reason.TOOL_SERVER_UNREACHABLE, "http://shop/mcp: no answer within 5 s")
    found = tools_ready(agent(FILES), [good, bad])
    assert (found.type, found.status, found.reason) == ("ToolsReady", "False", "ToolServerUnreachable")
    assert found.message == (
        "spec.tools.servers shop: http://shop/mcp: no answer within 5 s. Start the server, or correct its url."
    )


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        (Reason.TOOL_SERVER_INVALID, "Correct its url"),
        (Reason.CREDENTIALS_REJECTED, "Correct the token"),
        (Reason.SECRET_NOT_FOUND, "Create the Secret"),
        (Reason.NOT_CHECKED, "checks the server again"),
    ],
)
def test_each_cause_has_its_remedy(reason: Reason, remedy: str) -> None:
    assert remedy in failed_check(server(), reason, "x").message


def test_many_failing_servers_are_counted() -> None:
    checks = [failed_check(server(name=f"s{n}"), Reason.TOOL_SERVER_INVALID, "x") for n in range(7)]
    assert tools_ready(agent(FILES), checks).message.endswith(" 2 more servers fail.")
    good = [check_allowed(server(name=f"s{n}"), ["read_a"]) for n in range(7)]
    assert tools_ready(agent(FILES), good).message.endswith(" 2 more servers answer.")


def test_sidecars_and_a_workspace_are_named_as_unchecked() -> None:
    given = agent(SIDECAR, workspace={"emptyDir": {}}, **MANAGED)
    assert tools_ready(given, []).message == (
        "Not checked by the operator, because only executors reach them: git. The agent has a workspace."
    )


def test_a_task_waits_until_the_tools_of_its_agent_are_ready() -> None:
    missing = tools_gate(agent(), None)
    assert missing is not None
    assert (missing.reason, missing.is_final) == ("ToolsNotFound", False)
    assert missing.message.startswith("CognitiveAgent team/sre has no tools")
    waiting = tools_gate(agent(FILES), TOOLS_NOT_CHECKED)
    assert waiting is not None
    assert (waiting.reason, waiting.is_final) == ("ToolsNotReady", False)
    assert "Not checked yet." in waiting.message
    assert tools_gate(agent(FILES), tools_ready(agent(FILES), [])) is None


async def test_the_gate_looks_at_the_agent_of_the_task() -> None:
    index = Index()
    index.upsert_task(o.task_body(tools={"enabled": True}), 0.0)
    gate, record = ToolsGate(index), index.tasks[o.TASK_UID]
    assert await gate.check(record) is None  # its agent does not exist: the plan says so
    index.upsert_agent(o.agent_body())
    found = await gate.check(record)
    assert found is not None
    assert found.reason == "ToolsNotFound"
    body = o.agent_body(tools={"servers": [FILES]})
    body["metadata"]["resourceVersion"] = "11"
    index.upsert_agent(body)
    found = await gate.check(record)
    assert found is not None
    assert found.reason == "ToolsNotReady"
    index.update_agent(index.agents[NAME], tools=tools_ready(agent(FILES), []))
    assert await gate.check(record) is None


@pytest.mark.parametrize(
    ("spec", "module", "expected"),
    [
        ({}, None, None),
        ({"type": "Proposal"}, None, ("ToolsNotAllowed", True)),
        ({"type": "Custom", "signatureRef": {"name": "triage"}}, "ReAct", None),
        ({"type": "Custom", "signatureRef": {"name": "triage"}}, "ChainOfThought", ("ToolsNotAllowed", False)),
    ],
)
def test_a_type_or_a_signature_that_uses_no_tools_is_named(
    spec: dict[str, Any], module: str | None, expected: tuple[str, bool] | None
) -> None:
    found = unusable_tools(task(**spec), module)
    assert (found and (found.reason, found.is_final)) == expected
    if module is not None and found is not None:
        assert found.message.startswith("CognitiveSignature team/triage has spec.module ChainOfThought")


async def test_the_gate_reads_the_module_of_the_signature() -> None:
    index = Index()
    index.upsert_agent(o.agent_body(tools={"servers": [FILES]}))
    index.upsert_task(o.custom_body(tools={"enabled": True}), 0.0)
    snapshot = SignatureSnapshot.model_validate(
        {"name": "triage", "generation": 1, "instructions": "x", "module": "Predict", "inputs": [], "outputs": []}
    )
    index.update_task(o.TASK_UID, signature=UsedSignature.of("team", snapshot))
    found = await ToolsGate(index).check(index.tasks[o.TASK_UID])
    assert found is not None
    assert (found.reason, "spec.module Predict" in found.message) == ("ToolsNotAllowed", True)


def test_a_task_with_tools_needs_the_feature() -> None:
    assert task_features(task()) == {"tools"}
    assert task().spec.needs_features
    assert not task(tools={"enabled": False}).spec.needs_features
    assert task_features(task(tools={"enabled": False})) == frozenset()


def test_the_request_has_the_tools_of_the_agent_if_the_task_asks_for_them() -> None:
    given = agent(FILES | {"tokenSecretRef": {"name": "t"}, "timeoutSeconds": 5}, maxOperations=7, maxIterations=3)
    expected = {
        "max_operations": 7,
        "max_iterations": 3,
        "servers": (
            {
                "name": "files",
                "url": "http://files/mcp",
                "allow": ("read_*",),
                "headers_file": "tool-token-files",
                "timeout_seconds": 5,
            },
        ),
    }
    assert tools_of(given) == expected
    assert tools_of(given, task(tools={"enabled": False})) is None
    assert tools_of(agent()) is None
    assert tools_of(Agent.model_validate(o.agent_body())) is None


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        ({"emptyDir": {}}, {"kind": "EmptyDir", "read_only": True}),
        (
            {"git": {"url": "https://git/x.git", "ref": "main"}, "readOnly": False},
            {"kind": "Git", "url": "https://git/x.git", "ref": "main", "read_only": False},
        ),
        (
            {"pvc": {"claimName": "c"}},
            {"kind": "PersistentVolume", "path": "/var/lib/cognitive-workspace", "read_only": True},
        ),
    ],
)
def test_the_request_has_the_workspace(workspace: dict[str, Any], expected: dict[str, Any]) -> None:
    found = tools_of(agent(workspace=workspace, **MANAGED))
    assert found is not None
    assert (found["servers"], found["workspace"]) == ((), expected)


def test_a_sidecar_is_reached_on_localhost() -> None:
    found = tools_of(agent(SIDECAR, **MANAGED))
    assert found is not None
    (sidecar,) = found["servers"]
    assert sidecar == {"name": "git", "url": "http://127.0.0.1:9000/mcp", "allow": ("*",), "timeout_seconds": 30}


class Probe:
    """Answers by URL, and what was asked."""

    def __init__(self, **up: list[str]) -> None:
        self.up, self.asked = up, list[tuple[str, str | None, float]]()

    async def check(self, url: str, token: str | None, timeout_s: float) -> ToolProbeResult:
        self.asked.append((url, token, timeout_s))
        name = url.split("/")[2]
        if name in self.up:
            return ToolProbeResult(ok=True, reason="Available", message="", tools=self.up[name])
        return ToolProbeResult(ok=False, reason="ToolServerUnreachable", message=f"{url}: no connection")


class Scene:
    """One agent with tools, and the checks of its servers."""

    def __init__(self, probe: Probe, secrets: FakeSecrets | None = None, **spec: Any) -> None:
        self.index, self.clock = Index(), FakeClock(1000.0)
        self.index.upsert_agent(o.agent_body(**spec))
        self.readiness = ToolReadiness(
            self.index, secrets or FakeSecrets(), probe, self.clock, intervals=ProbeIntervals()
        )

    @property
    def record(self) -> AgentRecord:
        return self.index.agents[NAME]

    async def check(self, after_s: float = 0.0) -> tuple[str, str] | None:
        self.clock.advance(after_s)
        await self.readiness.reconcile(self.record)
        found = self.record.tools
        return (found.status, found.reason) if found is not None else None


async def test_servers_are_checked_at_the_interval_of_their_state() -> None:
    probe = Probe(files=["read_a"])
    scene = Scene(probe, tools={"servers": [FILES, FILES | {"name": "b", "url": "http://b/mcp", "timeoutSeconds": 2}]})
    assert await scene.check() == ("False", "ToolServerUnreachable")
    assert probe.asked == [("http://files/mcp", None, 5.0), ("http://b/mcp", None, 2.0)]
    probe.up["b"] = ["read_b"]
    assert await scene.check(9.9) == ("False", "ToolServerUnreachable")
    assert await scene.check(0.2) == ("True", "Available")
    await scene.check(59.0)
    assert len(probe.asked) == 4
    await scene.check(1.1)
    assert len(probe.asked) == 6


async def test_an_agent_without_tools_has_no_condition_and_costs_nothing() -> None:
    probe = Probe()
    scene = Scene(probe)
    assert await scene.check() is None
    assert probe.asked == []
    before = scene.record
    assert await scene.check() is None
    assert scene.record is before


@pytest.mark.parametrize(
    ("secret", "expected", "asked"),
    [
        ("t0ken", ("True", "Available"), ["t0ken"]),
        (None, ("False", "SecretNotFound"), []),
        (ObjectInvalidError("Secret team/t: key token is empty"), ("False", "SecretInvalid"), []),
        (TransientError("no answer"), ("False", "NotChecked"), []),
    ],
)
async def test_the_token_is_read_from_its_secret(secret: Any, expected: tuple[str, str], asked: list[str]) -> None:
    probe = Probe(files=["read_a"])
    values = {("team", "t", "token"): secret} if secret is not None else {}
    scene = Scene(probe, FakeSecrets(values=values), tools={"servers": [FILES | {"tokenSecretRef": {"name": "t"}}]})
    assert await scene.check() == expected
    assert [token for _, token, _ in probe.asked] == asked


async def test_sidecars_are_not_probed() -> None:
    probe = Probe()
    scene = Scene(probe, tools={"servers": [SIDECAR]}, **MANAGED)
    assert await scene.check() == ("True", "Available")
    assert probe.asked == []


async def test_a_change_of_the_tools_is_checked_at_once() -> None:
    probe = Probe(files=["read_a"])
    scene = Scene(probe, tools={"servers": [FILES]})
    await scene.check()
    body = o.agent_body(tools={"servers": [FILES | {"allow": ["*"]}]})
    body["metadata"]["resourceVersion"] = "11"
    scene.index.upsert_agent(body)
    assert scene.record.tools is None
    assert await scene.check() == ("True", "Available")
    body = o.agent_body()
    body["metadata"]["resourceVersion"] = "12"
    scene.index.upsert_agent(body)
    assert await scene.check() is None


def test_the_condition_leaves_the_status_with_the_tools() -> None:
    ready, other = tools_ready(agent(FILES), []), TOOLS_NOT_CHECKED.with_type("RayReady")
    written = agent_status(agent(FILES), {}, [other, ready], [], o.NOW)
    assert [each["type"] for each in written["conditions"]] == ["RayReady", "ToolsReady"]
    without = agent_status(agent(), written, [other], [], o.NOW)
    assert [each["type"] for each in without["conditions"]] == ["RayReady"]


@pytest.mark.parametrize(
    ("message", "reason", "expected"),
    [
        ("/var/run/secrets/cognitive/u1/tool-token-files cannot be read: FileNotFoundError.", None, True),
        ("/var/run/secrets/cognitive/u1.tool-token-files is empty.", None, True),
        ("/var/run/secrets/cognitive/u1/tool-token-files-2 is empty.", None, False),
        ("/var/run/secrets/cognitive/u1/llm-api-key is empty.", None, False),
        ("/var/run/secrets/cognitive/u1/tool-token-files is empty.", "InternalError", False),
    ],
)
def test_the_missing_token_of_a_server_blocks_no_task_without_tools(
    message: str, reason: str | None, expected: bool
) -> None:
    end = attempt_end(o.key(), o.failed(error_type=reason or "CredentialsNotMounted", error=message, mode="Job"), 7)
    tools = {"servers": [FILES | {"tokenSecretRef": {"name": "t"}}]}
    body = o.agent_body(tools=tools, execution={"mode": "Job"})
    assert lacks_token(Agent.model_validate(body), end) is expected
    index = Index()
    index.upsert_agent(body)
    index.upsert_task(o.task_body(), 0.0)
    index.block(index.agents[NAME], None)
    intake: Any = SimpleNamespace(enqueue=lambda uids: None, enqueue_agent=lambda name: None)
    server: Any = SimpleNamespace(server_time=lambda: None)
    AgentFeedback(index, intake, Clocks(FakeClock(100.0), server)).report(index.tasks[o.TASK_UID], end)
    is_blocking = reason is None and not expected
    assert (index.agents[NAME].blocker is not None) is is_blocking
