"""Manifests of the demo's namespace, agent and tasks."""

import copy
from typing import Any

from demo.examples import Manifest, for_small_model, load_demonstrations, without_counters
from demo.tool_calls import uses_tools
from kind_demo.settings import Settings

AGENT = "sre"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
HEAD = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
SERVER = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "6Gi"}}
CONTEXT_TOKENS = 8192
"""Room for the prompt with two demonstrations also if the model needs a token for each character."""
ANSWER_TOKENS = 768


def namespace_manifest(settings: Settings) -> Manifest:
    """Return the agent's Namespace, which enforces the ``restricted`` Pod Security Standard."""
    metadata = {"name": settings.namespace, "labels": RESTRICTED}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def agent_manifest(settings: Settings, example: Manifest) -> Manifest:
    """Return the example agent with a managed Ray cluster and a managed vLLM server on CPUs.

    Only small models fit the server, so the agent has the settings for them: bounded answers and demonstrations.
    """
    agent = copy.deepcopy(example)
    spec = agent["spec"]
    spec["ray"] = {"cluster": {"head": {"resources": HEAD}}}
    timeout = {name: spec["llm"][name] for name in ("timeoutSeconds",) if name in spec["llm"]}
    spec["llm"] = {
        **timeout,
        "provider": "vllm",
        "model": settings.vllm_model,
        "maxTokens": ANSWER_TOKENS,
        "vllm": _server(settings),
    }
    spec["queue"] = {"maxConcurrentTasks": 2}
    spec["taskDefaults"] = {"timeoutSeconds": 900, "retryPolicy": {"maxRetries": 2, "backoffSeconds": 5}}
    return for_small_model(agent, load_demonstrations())


def of_agent(tasks: list[Manifest], name: str) -> list[Manifest]:
    """Return copies of the tasks that all refer to one agent, without its counters in their prompts.

    Tasks with tools are left out, because this agent has none.
    """
    changed = [without_counters(task) for task in tasks if not uses_tools(task)]
    for task in changed:
        task["spec"]["agentRef"] = {"name": name}
    return changed


def _server(settings: Settings) -> dict[str, Any]:
    is_in_image = settings.vllm_model.startswith("/")
    return {
        "image": settings.vllm_image,
        "gpus": 0,
        "maxModelLen": CONTEXT_TOKENS,
        "shmSize": "256Mi",
        "env": [{"name": "VLLM_CPU_KVCACHE_SPACE", "value": "1"}],  # GiB
        "extraArgs": ["--enforce-eager", "--max-num-seqs=8"],
        "resources": SERVER,
        **({} if is_in_image else {"modelCache": {"size": "5Gi"}}),
    }
