"""What the demo does with the running system."""

import json
import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from controlplane import Kubectl, KubectlError
from demo.examples import Examples, key_secret, pointed_at, with_real_failure
from demo.show import FINISHED, Screen, phase_of
from demo.system import System
from servers.errors import ServerError

HERE = Path(__file__).parent
BROKEN = HERE / "broken-deployment.yaml"
API_KEY_FILE = "llm-api-key"
POLL_S = 1.0
DEADLINE_S = 1800.0
"""The tasks' own deadlines are shorter; this one is for a system that does nothing at all."""


def run_scenario(system: System, examples: Examples, api_key: str | None, console: Console) -> bool:
    """Apply examples, follow them to their end and tell whether all tasks succeeded.

    Raises:
        ServerError: a part of the system has ended, or nothing finished in time.
        KubectlError: the API server refused an example.
    """
    kubectl = system.kubectl
    refusal = provoke_failure(kubectl)
    _print(console, f"$ kubectl apply -f {os.path.relpath(BROKEN)}\n{refusal}\n")
    _apply_agents(system, examples, api_key)
    tasks = with_real_failure(examples.tasks, refusal)
    kubectl.apply(_list_of(tasks))
    with Screen(console, lambda name: kubectl("get", "ctask", name, "-o", "yaml")) as screen:
        ended = _follow(system, [task["metadata"]["name"] for task in tasks], screen)
    _print(console, f"$ kubectl get cagent,ctask\n{kubectl('get', 'cagent,ctask')}")
    return all(phase_of(task) == "Succeeded" for task in ended)


def provoke_failure(kubectl: Kubectl) -> str:
    """Apply a broken manifest and return the API server's own refusal."""
    try:
        kubectl("apply", "-f", os.path.relpath(BROKEN))
    except KubectlError as error:
        return str(error)
    raise ServerError(f"the API server accepted {BROKEN}, which it should refuse")


def _apply_agents(system: System, examples: Examples, api_key: str | None) -> None:
    kubectl = system.kubectl
    if api_key is not None:
        kubectl.apply(json.dumps(key_secret(api_key)))
    kubectl.apply(_list_of([pointed_at(agent, system.addresses) for agent in examples.agents]))
    if api_key is not None:
        for agent in kubectl.json("get", "cagent")["items"]:
            _mount_key(system.parts.ray.secrets_directory / agent["metadata"]["uid"], api_key)


def _mount_key(directory: Path, api_key: str) -> None:
    """Give an agent's executors the key as a file, as the owner of a Ray cluster would."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(directory / API_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(api_key)


def _follow(system: System, names: list[str], screen: Screen) -> list[dict[str, Any]]:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        by_name = {task["metadata"]["name"]: task for task in system.kubectl.json("get", "ctask")["items"]}
        tasks = [by_name[name] for name in names]
        screen.update(tasks)
        if all(phase_of(task) in FINISHED for task in tasks):
            return tasks
        system.check()
        if time.monotonic() > deadline:
            raise ServerError(f"not all tasks have finished after {DEADLINE_S:g} s")
        time.sleep(POLL_S)


def _list_of(items: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
