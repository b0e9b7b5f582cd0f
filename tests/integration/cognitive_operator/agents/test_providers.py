"""A provider that wants to be spoken to otherwise than others, from the manifest to the model's server."""

import pytest

from support.builders.cognitive_objects import Cluster, agent, task
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.integration
DATE = "2024-10-21"


def test_azure_from_the_manifest_to_the_call(cluster: Cluster, ray_server: RayServer, model: ScriptedModel) -> None:
    cluster.kubectl("create", "secret", "generic", "azure", "--from-literal=api-key=key-of-azure")
    llm = {"provider": "azure", "apiVersion": DATE, "apiKeySecretRef": {"name": "azure"}}
    cluster.apply(agent("deployed", ray_server.address, model.url, llm=llm), task("t", "deployed"))
    folder = ray_server.secrets_directory / cluster.get("cagent", "deployed")["metadata"]["uid"]
    folder.mkdir()
    (folder / "llm-api-key").write_text("key-of-azure")
    assert "/openai/models lists" in cluster.wait_condition("deployed", "ModelReady", "Available")[1]
    cluster.wait_ready("deployed")
    assert cluster.wait_phase("t", "Succeeded")["model"]["provider"] == "azure"
    (request,) = model.requests
    assert request.headers["path"] == f"/openai/deployments/deployed/chat/completions?api-version={DATE}"
    assert (request.headers["api-key"], "authorization" in request.headers) == ("key-of-azure", False)
