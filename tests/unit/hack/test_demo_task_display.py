import io
from typing import Any

from rich.console import Console

from demo.task_display import TaskDisplay, row_of


def task(name: str, **status: Any) -> dict[str, Any]:
    spec = {"type": "TaskPlanning", "agentRef": {"name": "thinker"}}
    return {"metadata": {"name": name}, "spec": spec, **({"status": status} if status else {})}


def test_a_row_tells_what_is_known() -> None:
    assert row_of(task("a")) == ("a", "TaskPlanning", "thinker", "Pending", "", "", "")
    finished = task("a", phase="Succeeded", reason="Succeeded", durationSeconds=2.345, usage={"totalTokens": 17})
    assert row_of(finished) == ("a", "TaskPlanning", "thinker", "Succeeded", "Succeeded", "2.3", "17")


def show(*, terminal: bool, updates: list[list[dict[str, Any]]]) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    with TaskDisplay(console, lambda name: f"whole of {name}: [bold]$(x)") as display:
        for tasks in updates:
            display.update(tasks)
    return out.getvalue()


RUNNING, DONE = task("a", phase="Running"), task("a", phase="Succeeded")


def test_a_file_gets_a_line_for_each_change_and_each_result_once() -> None:
    lines = show(terminal=False, updates=[[RUNNING], [RUNNING], [DONE], [DONE]]).splitlines()
    assert lines == [
        "a  TaskPlanning  thinker  Running",
        "a  TaskPlanning  thinker  Succeeded",
        "",
        "$ kubectl get ctask a -o yaml",
        "whole of a: [bold]$(x)",
    ]


def test_a_terminal_gets_a_table_and_each_result_once() -> None:
    text = show(terminal=True, updates=[[RUNNING], [DONE], [DONE]])
    assert text.count("whole of a: [bold]$(x)") == 1
    assert "Running" in text
    assert "Phase" in text
