"""Displays the progress of tasks: a live table on a terminal, else a line for each change."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

Task = dict[str, Any]
FINISHED = ("Succeeded", "Failed")
STYLES = {"Succeeded": "green", "Failed": "red", "Running": "cyan", "Queued": "yellow", "Pending": "yellow"}
COLUMNS = ("Task", "Type", "Agent", "Phase", "Reason", "Seconds", "Tokens")


def phase_of(task: Task) -> str:
    """Return a task's phase; a task without a status is Pending."""
    return str((task.get("status") or {}).get("phase") or "Pending")


def row_of(task: Task) -> tuple[str, ...]:
    """Return a task's row of the table, in the order of COLUMNS."""
    spec, status = task["spec"], task.get("status") or {}
    seconds = status.get("durationSeconds")
    return (
        task["metadata"]["name"],
        spec["type"],
        spec["agentRef"]["name"],
        phase_of(task),
        str(status.get("reason") or ""),
        "" if seconds is None else f"{seconds:.1f}",
        str((status.get("usage") or {}).get("totalTokens") or ""),
    )


def table_of(tasks: Sequence[Task]) -> Table:
    """Return all tasks as a table."""
    table = Table(*COLUMNS)
    for task in tasks:
        table.add_row(*row_of(task), style=STYLES.get(phase_of(task), ""))
    return table


def print_plain(console: Console, text: str) -> None:
    """Print a text without markup, highlighting and line wrapping."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class TaskDisplay:
    """Live display of tasks on a console; a context manager."""

    def __init__(self, console: Console, describe: Callable[[str], str]) -> None:
        """Create a display.

        Args:
            console: The output.
            describe: Returns the full text of a finished task by its name.
        """
        self._console = console
        self._describe = describe
        self._shown: dict[str, tuple[str, ...]] = {}
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> "TaskDisplay":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, tasks: Sequence[Task]) -> None:
        """Display the tasks' current state and the full text of each newly finished task."""
        for task in tasks:
            self._update_one(task)
        if self._live is not None:
            self._live.update(table_of(tasks), refresh=True)

    def _update_one(self, task: Task) -> None:
        row, name = row_of(task), task["metadata"]["name"]
        if self._shown.get(name) == row:
            return
        self._shown[name] = row
        if self._live is None:
            self._print("  ".join(part for part in row if part))
        if phase_of(task) in FINISHED:
            self._print(f"\n$ kubectl get ctask {name} -o yaml\n{self._describe(name)}")

    def _print(self, text: str) -> None:
        print_plain(self._console, text)
