"""Follows tasks to their end."""

import time
from collections.abc import Callable, Sequence

from controlplane import Kubectl
from demo.show import FINISHED, Screen, Task, phase_of
from servers.errors import ServerError

POLL_S = 1.0
DEADLINE_S = 1800.0
"""The tasks' own deadlines are shorter; this one is for a system that does nothing at all."""


def follow(kubectl: Kubectl, names: Sequence[str], screen: Screen, check: Callable[[], None]) -> list[Task]:
    """Show tasks until all have finished and return them; ``check`` is called meanwhile, and may raise.

    Raises:
        ServerError: nothing finished in time.
    """
    deadline = time.monotonic() + DEADLINE_S
    while True:
        by_name = {task["metadata"]["name"]: task for task in kubectl.json("get", "ctask")["items"]}
        tasks = [by_name[name] for name in names]
        screen.update(tasks)
        if all(phase_of(task) in FINISHED for task in tasks):
            return tasks
        check()
        if time.monotonic() > deadline:
            raise ServerError(f"not all tasks have finished after {DEADLINE_S:g} s")
        time.sleep(POLL_S)
