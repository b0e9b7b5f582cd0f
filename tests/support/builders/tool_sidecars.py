"""An agent with a sidecar, as for the cluster of the end-to-end tests."""

import os
from pathlib import Path
from typing import Any

from cognitive_operator.config import Config
from support.builders.cognitive_objects import agent
from support.builders.managed_agents import POD, ray_cluster

SOURCE = (Path(__file__).parents[1] / "servers" / "sidecar_tools.py").read_text(encoding="utf-8")
PLACES = ("/etc", "/home", "/mnt", "/root", "/run", "/srv", "/tmp", "/var")
"""Folders in which a container can have files that its image does not have, and some of the image."""
SCALED = {
    "workers": {"minWorkers": 0, "maxWorkers": 1, "resources": POD},
    "autoscaler": {"resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}},
}
"""The autoscaler needs a service account token, which no sidecar of its pod may have."""


def sidecar(
    port: int = 9000, journal: str = "/tmp/journal", places: tuple[str, ...] = PLACES, image: str | None = None
) -> dict[str, Any]:
    """Return a server in a sidecar. Its image needs Python and the package ``mcp``; None: the runtime's image."""
    return {
        "name": "desk",
        "image": image or os.environ.get("E2E_RUNTIME_IMAGE") or Config.runtime_image,
        "command": ["python", "-c", SOURCE, str(port), journal, *places],
        "port": port,
        "allow": ["note", "hunt"],
    }


def bench(port: int = 9001, image: str | None = None) -> dict[str, Any]:
    """Return a server in a sidecar with the project's own tools, of which the model may run a test."""
    test = "answer=python -c 'print(7 ** 7)'"
    return {
        "name": "bench",
        "image": image or os.environ.get("E2E_RUNTIME_IMAGE") or Config.runtime_image,
        "command": ["cognitive-runtime", "tool-server", f"--port={port}", "--test", test, "--test-timeout-seconds=20"],
        "port": port,
        "allow": ["run_tests"],
    }


def handy_agent(name: str, endpoint: str, key: str) -> dict[str, Any]:
    """Return an agent with a Ray cluster of its own, two sidecars, a workspace and the Secret of its model's key."""
    tools = {"servers": [sidecar(), bench()], "workspace": {"emptyDir": {}, "readOnly": False}}
    return agent(name, ray_cluster(**SCALED), endpoint, llm={"apiKeySecretRef": {"name": key}}, tools=tools)
