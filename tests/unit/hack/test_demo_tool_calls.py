"""The demo's check that a task with tools has called one."""

from typing import Any

import pytest

from demo.tool_calls import call_lines, has_succeeded

CALL = {"number": 1, "server": "runbooks", "tool": "find_runbook", "outcome": "Succeeded", "seconds": 0.1}
REFUSED = CALL | {"outcome": "Refused"}


def ended(phase: str, *calls: dict[str, Any], tools: bool = True) -> dict[str, Any]:
    spec = {"tools": {"enabled": True}} if tools else {}
    return {"metadata": {"name": "follow"}, "spec": spec, "status": {"phase": phase, "operations": list(calls)}}


@pytest.mark.parametrize(
    ("task", "small", "other"),
    [
        (ended("Succeeded", CALL), True, True),
        (ended("Failed", CALL), True, False),
        (ended("Failed", REFUSED, CALL), True, False),
        (ended("Succeeded"), False, False),
        (ended("Succeeded", REFUSED), False, False),
        (ended("Succeeded", tools=False), True, True),
        (ended("Failed", tools=False), False, False),
    ],
)
def test_a_task_with_tools_succeeds_by_its_call(task: dict[str, Any], small: bool, other: bool) -> None:
    assert has_succeeded(task, has_small_model=True) is small
    assert has_succeeded(task, has_small_model=False) is other


def test_each_call_is_shown_and_a_task_without_calls_is_named() -> None:
    lines = call_lines([ended("Failed", CALL), ended("Failed"), ended("Succeeded", tools=False)])
    assert lines == [
        "Which tools were called?",
        "follow: call 1, find_runbook of runbooks: Succeeded in 0.1 s",
        "follow: no call",
    ]
    assert call_lines([ended("Succeeded", tools=False)]) == []
