"""The gate of tasks with tools: it waits for ready tools and refuses a type that uses none."""

from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire_signature import SignatureSnapshot
from cognitive_operator.plan.agent.tools import TOOLS_NOT_CHECKED, lacks_token, tools_gate, tools_ready, unusable_tools
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.plan.gates.signature import UsedSignature
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.gates.tools import ToolsGate
from support.builders import operator_objects as o
from support.builders.agent_tools import FILES, agent, task
from support.fakes.clock import FakeClock

NAME = ("team", "sre")


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
