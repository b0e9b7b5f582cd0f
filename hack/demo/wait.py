"""Waits for tasks to finish, and for their agents to count them."""

import time
from collections.abc import Callable, Sequence

from controlplane import Kubectl
from demo.task_display import FINISHED, Task, TaskDisplay, phase_of
from servers.errors import ServerError

POLL_S = 1.0
DEADLINE_S = 1800.0
"""Longer than the tasks' own timeouts, which a working system enforces first."""
IDLE_DEADLINE_S = 30.0


def wait_for_tasks(
    kubectl: Kubectl, names: Sequence[str], display: TaskDisplay, check: Callable[[], None]
) -> list[Task]:
    """Display tasks until all have finished, then return them; calls ``check``, which may raise, between polls.

    Raises:
        ServerError: A task has not finished after DEADLINE_S.
    """
    deadline = time.monotonic() + DEADLINE_S
    while True:
        by_name = {task["metadata"]["name"]: task for task in kubectl.json("get", "ctask")["items"]}
        tasks = [by_name[name] for name in names]
        display.update(tasks)
        if all(phase_of(task) in FINISHED for task in tasks):
            return tasks
        check()
        if time.monotonic() > deadline:
            raise ServerError(f"not all tasks finished within {DEADLINE_S:g} s")
        time.sleep(POLL_S)


def wait_for_idle_agents(kubectl: Kubectl) -> None:
    """Wait until the status of no agent has a running task, at most ``IDLE_DEADLINE_S``: it follows the tasks."""
    deadline = time.monotonic() + IDLE_DEADLINE_S
    while any(agent.get("status", {}).get("running") for agent in kubectl.json("get", "cagent")["items"]):
        if time.monotonic() > deadline:
            return
        time.sleep(POLL_S)
