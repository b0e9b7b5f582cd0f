"""What the demo does with a cluster that has the operator and KubeRay."""

import json
import os

from rich.console import Console

from controlplane import Kubectl
from demo.examples import Examples, list_of, with_real_failure
from demo.failure import BROKEN, provoke_failure
from demo.follow import follow
from demo.show import Screen, phase_of, print_plain
from kind_demo.manifests import AGENT, agent_manifest, namespace_manifest, of_agent
from kind_demo.readiness import wait_ready
from kind_demo.settings import Settings


def make_namespace(kubectl: Kubectl, settings: Settings) -> None:
    """Make the namespace of the agent, before an operator that watches it alone begins."""
    kubectl.apply(json.dumps(namespace_manifest(settings)))


def run_scenario(kubectl: Kubectl, settings: Settings, examples: Examples, console: Console) -> bool:
    """Bring up the agent, give it the six tasks, show them on their way and tell whether all succeeded.

    Raises:
        KindDemoError: the agent does not become ready.
        ServerError: nothing finished in time.
    """
    place = kubectl.within(settings.namespace)
    (example,) = [agent for agent in examples.agents if agent["metadata"]["name"] == AGENT]
    print_plain(console, f"The agent {AGENT} gets a Ray cluster and a model server ({settings.vllm_model}) of its own:")
    place.apply(json.dumps(agent_manifest(settings, example)))
    wait_ready(place, AGENT, settings.vllm_image, lambda line: print_plain(console, line))
    refusal = provoke_failure(place)
    print_plain(console, f"\n$ kubectl apply -f {os.path.relpath(BROKEN)}\n{refusal}\n")
    tasks = of_agent(with_real_failure(examples.tasks, refusal), AGENT)
    place.delete("ctask", "--all")  # of an earlier demo: a finished task never runs again
    place.apply(list_of(tasks))
    with Screen(console, lambda name: place("get", "ctask", name, "-o", "yaml")) as screen:
        ended = follow(place, [task["metadata"]["name"] for task in tasks], screen, lambda: None)
    shown = place("get", "cagent,ctask")
    print_plain(console, f"$ kubectl --namespace={settings.namespace} get cagent,ctask\n{shown}")
    succeeded = [task for task in ended if phase_of(task) == "Succeeded"]
    print_plain(console, f"{len(succeeded)} of {len(ended)} tasks Succeeded")
    return len(succeeded) == len(ended)
