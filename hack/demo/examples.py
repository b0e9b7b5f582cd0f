"""The manifests of ``examples/``, changed to use the demo's servers."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
SECRET = "llm-credentials"
SECRET_KEY = "api-key"
FAILURE_TASK_TYPE = "FailureAnalysis"
DEMONSTRATIONS = Path(__file__).parent / "demonstrations.yaml"


@dataclass(frozen=True)
class Addresses:
    """Addresses of the demo's servers for the agents' specs."""

    ray: str
    provider: str
    model: str
    endpoint: str
    has_key: bool
    tools: str = ""
    """URL of the MCP server; empty: none is started."""


@dataclass(frozen=True)
class Examples:
    """Agents, signatures and tasks, in the order of their files."""

    agents: list[Manifest]
    signatures: list[Manifest]
    tasks: list[Manifest]


def load_examples(directory: Path) -> Examples:
    """Return the agents, signatures and tasks of all manifests in a directory."""
    found = [
        manifest
        for path in sorted(directory.glob("*.yaml"))
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if manifest
    ]
    return Examples(
        agents=[manifest for manifest in found if manifest["kind"] == "CognitiveAgent"],
        signatures=[manifest for manifest in found if manifest["kind"] == "CognitiveSignature"],
        tasks=[manifest for manifest in found if manifest["kind"] == "CognitiveTask"],
    )


def pointed_at(agent: Manifest, addresses: Addresses) -> Manifest:
    """Return a copy of the agent that uses the demo's Ray head and model."""
    pointed = copy.deepcopy(agent)
    pointed["spec"]["ray"] = {"address": addresses.ray}
    llm = pointed["spec"]["llm"]
    llm.pop("apiKeySecretRef", None)
    llm |= {"provider": addresses.provider, "model": addresses.model, "endpoint": addresses.endpoint}
    if addresses.has_key:
        llm["apiKeySecretRef"] = {"name": SECRET, "key": SECRET_KEY}
    for server in pointed["spec"].get("tools", {}).get("servers", ()):
        server["url"] = addresses.tools
    return pointed


def for_small_model(agent: Manifest, demonstrations: list[Manifest]) -> Manifest:
    """Return a copy of the agent with settings for the demo's small model.

    The model is a base model: it continues the pattern of demonstrations better than it follows instructions. It writes
    on until its tokens are used up, so its answers are bounded.
    """
    changed = copy.deepcopy(agent)
    changed["spec"].pop("roleProbabilities", None)
    changed["spec"]["demonstrations"] = copy.deepcopy(demonstrations)
    changed["spec"]["llm"] |= {"structuredOutput": "Bounded", "temperature": 0}
    return changed


def without_counters(task: Manifest) -> Manifest:
    """Return a copy of the task without the agent's counters in its prompt, which distract a small model."""
    changed = copy.deepcopy(task)
    changed["spec"]["context"] = {"energy": {}, "lifecycle": {}, "memory": {}} | changed["spec"].get("context", {})
    return changed


def load_demonstrations(path: Path = DEMONSTRATIONS) -> list[Manifest]:
    """Return the demonstrations for the small model, as for ``spec.demonstrations`` of an agent."""
    found: list[Manifest] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def with_real_failure(tasks: list[Manifest], error_message: str) -> list[Manifest]:
    """Return the tasks with the FailureAnalysis first, its input replaced by a real error message."""
    changed = copy.deepcopy(tasks)
    for number, task in enumerate(changed):
        if task["spec"]["type"] == FAILURE_TASK_TYPE:
            task["spec"]["input"]["error_message"] = error_message
            return [task, *changed[:number], *changed[number + 1 :]]
    return changed


def key_secret(api_key: str) -> Manifest:
    """Return the Secret with the model's API key."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": {SECRET_KEY: api_key}}


def list_of(items: list[Manifest]) -> str:
    """Return manifests as one JSON List, for a single ``kubectl apply``."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
