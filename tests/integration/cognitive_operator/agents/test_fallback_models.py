"""An agent whose first model is down, from its manifest to the calls that its fallback gets."""

from typing import Any

import pytest

from servers.ports import free_ports
from support.builders.cognitive_objects import Cluster, agent, task
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]


def test_a_fallback_answers_with_the_agents_settings_and_its_own_key(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster.kubectl("create", "secret", "generic", "second", "--from-literal=api-key=key-of-second")
    second = {"model": "second", "endpoint": model.url, "provider": "openai", "apiKeySecretRef": {"name": "second"}}
    settings: dict[str, Any] = {
        "frequencyPenalty": 0.5,
        "presencePenalty": -0.5,
        "stream": True,
        "retryDelaySeconds": 0,
    }
    down = f"http://127.0.0.1:{free_ports(1)[0]}"
    cluster.apply(
        agent("careful", ray_server.address, down, llm=settings | {"fallbacks": [second]}), task("t", "careful")
    )
    folder = ray_server.secrets_directory / cluster.get("cagent", "careful")["metadata"]["uid"]
    folder.mkdir()
    (folder / "llm-api-key-1").write_text("key-of-second")
    status, message = cluster.wait_condition("careful", "ModelReady", "FallbackAvailable")
    assert (status, model.url in message) == ("True", True)
    cluster.wait_ready("careful")
    assert cluster.wait_phase("t", "Succeeded")["model"] == {
        "name": "second",
        "provider": "openai",
        "endpoint": model.url,
    }
    (request,) = model.requests
    assert request.headers["authorization"] == "Bearer key-of-second"
    sent = {name: request.body[name] for name in ("model", "frequency_penalty", "presence_penalty", "stream")}
    assert sent == {"model": "second", "frequency_penalty": 0.5, "presence_penalty": -0.5, "stream": True}
