"""The use of tools in one attempt: bounds, records, and the order of side effects."""

import asyncio
import hashlib
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.application import ToolRun
from cognitive_runtime.application.tool_run import MAX_ARGUMENT_BYTES
from cognitive_runtime.domain import LeaseLost, NoProgress, ToolFailed, ToolRefused, ToolServer, ToolSettings
from cognitive_runtime.domain.tools import MAX_ANSWER_BYTES, MAX_ARTIFACTS, arguments_digest
from support.builders.runtime_requests import execution_request
from support.fakes.toolbox import FakeToolbox, RecordedEffects, tool

SERVER = ToolServer("shop", "http://shop.test/mcp", ("*",))


async def run_of(toolbox: FakeToolbox, effects: RecordedEffects | None = None, **settings: Any) -> ToolRun:
    found = ToolSettings((SERVER,), **settings)
    request = execution_request(tools=found)
    run = ToolRun(request, found, toolbox, effects or RecordedEffects(toolbox), SystemClock())
    await run.open()
    return run


async def test_a_call_is_recorded_with_the_digest_of_its_arguments_and_no_text() -> None:
    run = await run_of(FakeToolbox(answers={"search": "secret answer"}))
    arguments = {"text": "secret question", "n": 1}
    assert await run.call("search", arguments) == {"answer": "secret answer"}
    (operation,) = run.operations
    digest = hashlib.sha256(b'{"n":1,"text":"secret question"}').hexdigest()
    assert (operation.number, operation.server, operation.tool, operation.outcome) == (1, "shop", "search", "Succeeded")
    assert (operation.arguments_sha256, operation.error) == (digest, None)
    assert operation.seconds >= 0
    assert "secret" not in f"{run.operations} {run.audit_trail}"


async def test_side_effects_are_recorded_once_and_before_the_first_call_that_has_them() -> None:
    toolbox = FakeToolbox()
    run = await run_of(toolbox)
    for name in ("search", "write", "write", "search"):
        await run.call(name, {})
    recorded = f"side effects {execution_request().attempt_id}"
    assert toolbox.events == ["list", "call search", recorded, "call write", "call write", "call search"]
    assert [each.event for each in run.audit_trail].count("SideEffectsRecorded") == 1


async def test_a_tool_is_not_called_if_its_side_effects_cannot_be_recorded() -> None:
    toolbox = FakeToolbox()
    run = await run_of(toolbox, RecordedEffects(toolbox, LeaseLost("The claim is purged.")))
    with pytest.raises(LeaseLost):
        await run.call("write", {})
    assert toolbox.events == ["list"]
    assert [each.outcome for each in run.operations] == ["Failed"]


async def test_an_unknown_tool_is_an_observation_and_its_name_is_not_recorded() -> None:
    toolbox = FakeToolbox()
    run = await run_of(toolbox)
    assert await run.call("rm -rf", {}) == {"error": "The attempt has no tool of this name."}
    assert [(each.server, each.tool, each.outcome) for each in run.operations] == [("none", "unknown", "Refused")]
    assert toolbox.events == ["list"]


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [(ToolFailed("It failed.", "text"), "Failed"), (ToolRefused("Not allowed.", "text"), "Refused")],
)
async def test_a_problem_is_an_observation_with_the_text_of_the_tool_apart(
    problem: ToolFailed | ToolRefused, outcome: str
) -> None:
    run = await run_of(FakeToolbox(answers={"search": problem}))
    assert await run.call("search", {}) == {"error": str(problem), "text_of_the_tool": "text"}
    assert [(each.outcome, each.error) for each in run.operations] == [(outcome, str(problem))]


async def test_a_slow_tool_times_out_and_the_attempt_goes_on() -> None:
    run = await run_of(FakeToolbox(tool("search", timeout_s=0.01), answers={"search": None}))
    assert await run.call("search", {}) == {"error": "The tool did not answer within 0.01 s."}
    assert [each.outcome for each in run.operations] == ["TimedOut"]


async def test_a_cancelled_call_is_recorded() -> None:
    toolbox = FakeToolbox(answers={"search": None})
    run = await run_of(toolbox)
    calling = asyncio.create_task(run.call("search", {}))
    await toolbox.called.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert [each.outcome for each in run.operations] == ["Cancelled"]


async def test_operations_are_bounded() -> None:
    toolbox = FakeToolbox()
    run = await run_of(toolbox, max_operations=2)
    for _ in range(2):
        await run.call("search", {})
    with pytest.raises(NoProgress, match="All 2 operations"):
        await run.call("search", {})
    assert toolbox.events.count("call search") == 2
    assert len(run.operations) == 2


async def test_a_long_answer_is_cut_with_a_note_and_kept_as_an_artifact() -> None:
    text = "é" * MAX_ANSWER_BYTES
    run = await run_of(FakeToolbox(answers={"search": text}))
    await run.call("write", {})
    found = await run.call("search", {})
    assert found["answer"] == "é" * (MAX_ANSWER_BYTES // 2)
    assert f"{2 * MAX_ANSWER_BYTES} bytes" in found["note"]
    (artifact,) = run.artifacts
    assert artifact.name == f"{execution_request().attempt_id}.artifact-1"
    assert artifact.content == text.encode()
    assert artifact.sha256 == hashlib.sha256(text.encode()).hexdigest()
    for _ in range(MAX_ARTIFACTS + 1):
        await run.call("search", {})
    assert len(run.artifacts) == MAX_ARTIFACTS


async def test_huge_arguments_are_not_sent() -> None:
    toolbox = FakeToolbox()
    run = await run_of(toolbox)
    found = await run.call("search", {"text": "x" * MAX_ARGUMENT_BYTES})
    assert "bytes as JSON" in found["error"]
    assert toolbox.events == ["list"]


@pytest.mark.parametrize(
    ("patterns", "tool_name", "is_allowed"),
    [
        ((), "read", False),
        (("*",), "read", True),
        (("read_*",), "read_file", True),
        (("read_*",), "write_file", False),
        (("read_*",), "xread_file", False),
        (("read",), "READ", False),
        (("re?d",), "read", False),
        (("[r]ead",), "read", False),
        (("[r]ead",), "[r]ead", True),
        (("*_ticket", "list"), "list", True),
    ],
)
def test_an_allow_list_has_no_other_pattern_than_a_star(
    patterns: tuple[str, ...], tool_name: str, is_allowed: bool
) -> None:
    assert ToolServer("shop", "http://x", patterns).allows(tool_name) is is_allowed


def test_the_digest_of_arguments_does_not_depend_on_their_order() -> None:
    assert arguments_digest({"a": 1, "b": "é"}) == arguments_digest({"b": "é", "a": 1})
    assert arguments_digest({"a": 1}) != arguments_digest({"a": 2})
    assert arguments_digest({}) == hashlib.sha256(b"{}").hexdigest()
