"""The demo's steps on a cluster with the operator and KubeRay."""

import json
import os

from rich.console import Console

from controlplane import Kubectl
from demo.examples import Examples, list_of, with_real_failure
from demo.failure import BROKEN, provoke_failure
from demo.subjects import load_subjects, missed_subjects, subject_lines
from demo.task_display import TaskDisplay, phase_of, print_plain
from demo.wait import wait_for_tasks
from kind_demo.manifests import AGENT, agent_manifest, namespace_manifest, of_agent
from kind_demo.readiness import wait_ready
from kind_demo.settings import Settings


def create_namespace(kubectl: Kubectl, settings: Settings) -> None:
    """Create the agent's namespace; it must exist before an operator that watches only this namespace starts."""
    kubectl.apply(json.dumps(namespace_manifest(settings)))


def run_scenario(kubectl: Kubectl, settings: Settings, examples: Examples, console: Console) -> bool:
    """Create the agent and the tasks of the examples, display them and return True if all succeeded.

    Answers that miss their question are shown and fail nothing, because the model may be any.

    Raises:
        KindDemoError: The agent does not become ready.
        ServerError: A task did not finish in time.
    """
    namespaced = kubectl.within(settings.namespace)
    (example,) = [agent for agent in examples.agents if agent["metadata"]["name"] == AGENT]
    print_plain(console, f"Creating agent {AGENT} with its own Ray cluster and model server ({settings.vllm_model}):")
    namespaced.apply(json.dumps(agent_manifest(settings, example)))
    wait_ready(namespaced, AGENT, settings.vllm_image, lambda line: print_plain(console, line))
    refusal = provoke_failure(namespaced)
    print_plain(console, f"\n$ kubectl apply -f {os.path.relpath(BROKEN)}\n{refusal}\n")
    tasks = of_agent(with_real_failure(examples.tasks, refusal), AGENT)
    namespaced.delete("ctask", "--all")  # tasks of an earlier demo: a finished task never runs again
    namespaced.apply(list_of([*examples.signatures, *tasks]))
    with TaskDisplay(console, lambda name: namespaced("get", "ctask", name, "-o", "yaml")) as display:
        ended = wait_for_tasks(namespaced, [task["metadata"]["name"] for task in tasks], display, lambda: None)
    shown = namespaced("get", "cagent,ctask")
    print_plain(console, f"$ kubectl --namespace={settings.namespace} get cagent,ctask\n{shown}")
    missed = missed_subjects(ended, load_subjects())
    print_plain(console, "\n".join(["Does each answer name what it was asked about?", *subject_lines(missed)]))
    succeeded = [task for task in ended if phase_of(task) == "Succeeded"]
    print_plain(console, f"{len(succeeded)} of {len(ended)} tasks Succeeded")
    return len(succeeded) == len(ended)
