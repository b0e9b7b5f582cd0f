"""Calls of tools in the demo: a task with tools must have made one that succeeded."""

from collections.abc import Sequence

from demo.examples import Manifest
from demo.task_display import Task, phase_of


def uses_tools(task: Manifest) -> bool:
    """Return True if a task uses the tools of its agent."""
    return bool(task["spec"].get("tools", {}).get("enabled"))


def has_succeeded(task: Task, *, has_small_model: bool) -> bool:
    """Return True if a task ended as the demo expects.

    The small model calls the tool in each of its steps and seldom ends with an answer. So its task with tools needs a
    recorded call that succeeded; other tasks need a result, and with another model a task with tools needs both.
    """
    has_result = phase_of(task) == "Succeeded"
    if not uses_tools(task):
        return has_result
    return _has_called(task) and (has_result or has_small_model)


def call_lines(tasks: Sequence[Task]) -> list[str]:
    """Return a line for each call of a tool in ``status.operations``, and one for a task without calls."""
    lines: list[str] = []
    for task in filter(uses_tools, tasks):
        name, calls = task["metadata"]["name"], _calls(task)
        lines += [f"{name}: {_line(each)}" for each in calls] or [f"{name}: no call"]
    return ["Which tools were called?", *lines] if lines else []


def _has_called(task: Task) -> bool:
    return any(each["outcome"] == "Succeeded" for each in _calls(task))


def _calls(task: Task) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (task.get("status") or {}).get("operations") or []
    return found


def _line(call: dict[str, object]) -> str:
    return f"call {call['number']}, {call['tool']} of {call['server']}: {call['outcome']} in {call['seconds']} s"
