"""The demo's steps on the running system."""

import json
import os
from pathlib import Path

from rich.console import Console

from demo.examples import (
    Examples,
    Manifest,
    for_small_model,
    key_secret,
    list_of,
    load_demonstrations,
    pointed_at,
    with_real_failure,
    without_counters,
)
from demo.failure import BROKEN, provoke_failure
from demo.subjects import TOLERATED, load_subjects, missed_subjects, subject_lines
from demo.system import System
from demo.task_display import TaskDisplay, print_plain
from demo.tool_calls import call_lines, has_succeeded
from demo.wait import wait_for_idle_agents, wait_for_tasks

API_KEY_FILE = "llm-api-key"


def run_scenario(system: System, examples: Examples, api_key: str | None, console: Console) -> bool:
    """Apply the examples, wait for the tasks and return True if all succeeded and are about their questions.

    A task with tools must have called one.
    Answers that miss their question fail the demo of the small model only, whose answers are always the same.

    Raises:
        ServerError: A component has exited, or a task did not finish in time.
        KubectlError: The API server rejected an example.
    """
    kubectl = system.kubectl
    refusal = provoke_failure(kubectl)
    print_plain(console, f"$ kubectl apply -f {os.path.relpath(BROKEN)}\n{refusal}\n")
    _apply_agents(system, examples, api_key)
    tasks = with_real_failure(examples.tasks, refusal)
    tasks = [without_counters(task) for task in tasks] if system.has_small_model else tasks
    kubectl.apply(list_of([*examples.signatures, *tasks]))
    with TaskDisplay(console, lambda name: kubectl("get", "ctask", name, "-o", "yaml")) as display:
        ended = wait_for_tasks(kubectl, [task["metadata"]["name"] for task in tasks], display, system.check)
    wait_for_idle_agents(kubectl)
    print_plain(console, f"$ kubectl get cagent,ctask\n{kubectl('get', 'cagent,ctask')}")
    print_plain(console, "\n".join(call_lines(ended)))
    missed = missed_subjects(ended, load_subjects())
    print_plain(console, "\n".join(["Does each answer name what it was asked about?", *subject_lines(missed)]))
    is_about = sum(map(bool, missed.values())) <= TOLERATED or not system.has_small_model
    return is_about and all(has_succeeded(task, has_small_model=system.has_small_model) for task in ended)


def _apply_agents(system: System, examples: Examples, api_key: str | None) -> None:
    kubectl = system.kubectl
    if api_key is not None:
        kubectl.apply(json.dumps(key_secret(api_key)))
    kubectl.apply(list_of([_adapted(agent, system) for agent in examples.agents]))
    if api_key is not None:
        for agent in kubectl.json("get", "cagent")["items"]:
            _mount_key(system.components.ray.secrets_directory / agent["metadata"]["uid"], api_key)


def _adapted(agent: Manifest, system: System) -> Manifest:
    pointed = pointed_at(agent, system.addresses)
    return for_small_model(pointed, load_demonstrations()) if system.has_small_model else pointed


def _mount_key(directory: Path, api_key: str) -> None:
    """Write the API key to the secrets directory of an agent, as the owner of a Ray cluster does."""
    directory.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(directory / API_KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(api_key)
