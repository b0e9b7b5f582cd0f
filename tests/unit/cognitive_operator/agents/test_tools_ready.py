"""The condition ToolsReady: the checks of an agent's tool servers, when each is made, and its message."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.tools import ToolServer
from cognitive_operator.errors import ObjectInvalidError, TransientError
from cognitive_operator.plan.agent.probe_intervals import ProbeIntervals
from cognitive_operator.plan.agent.tools import TOOLS_NOT_CHECKED, check_allowed, failed_check, tools_ready
from cognitive_operator.ports.tools import ToolProbeResult
from cognitive_operator.reconcile.agent.tools import ToolReadiness
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.status.agent import agent_status
from support.builders import operator_objects as o
from support.builders.agent_tools import FILES, MANAGED, SIDECAR, agent
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeSecrets

NAME = ("team", "sre")


def server(**fields: Any) -> ToolServer:
    return ToolServer.model_validate(FILES | fields)


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
