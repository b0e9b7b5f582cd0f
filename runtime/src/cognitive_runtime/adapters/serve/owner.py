"""Owners of an agent's application: one Ray actor for each executor. It imports no Ray Serve.

The actor ends with its executor's job. While no owner lives, the application serves no agent, and its replicas delete
it.
"""

import time
from typing import Any, Final

import ray
from ray.util import list_named_actors

from cognitive_runtime.domain.execution import ServeProblem

_PREFIX: Final = "serve-"
STARTING: Final = ServeProblem("ServeUnavailable", "The agent's application on Ray Serve is being deployed.")


class ApplicationOwner:
    """Actor that knows the present problem of the application, for the workers of its executor."""

    def __init__(self) -> None:
        """Start with an application that is being deployed."""
        self._problem: ServeProblem | None = STARTING

    async def report(self, problem: ServeProblem | None) -> None:
        """Replace the problem; None: the application answers calls."""
        self._problem = problem

    async def problem(self) -> ServeProblem | None:
        """Return the problem."""
        return self._problem


def new_owner_name(submission_id: str) -> str:
    """Return the name of the owner of an executor that starts now. Later owners have greater names."""
    return f"{_PREFIX}{time.time_ns() // 1_000_000:013d}-{submission_id}"


def create_owner(namespace: str, name: str) -> Any:
    """Create the owner in the agent's Ray namespace, and return its handle. It ends with this process."""
    remote: Any = ray.remote(ApplicationOwner)
    return remote.options(name=name, namespace=namespace, num_cpus=0, max_restarts=0).remote()


def find_owner(namespace: str, name: str) -> Any:
    """Return the handle of an owner.

    Raises:
        ValueError: The owner does not live.
    """
    return ray.get_actor(name, namespace=namespace)


def owner_names(namespace: str) -> list[str]:
    """Return the names of the owners that live, the newest last."""
    found = list_named_actors(all_namespaces=True)
    own = (each["name"] for each in found if each["namespace"] == namespace)
    return sorted(name for name in own if name.startswith(_PREFIX))
