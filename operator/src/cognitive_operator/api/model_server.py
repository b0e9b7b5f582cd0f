"""Endpoint and API key of an agent's managed vLLM server."""

from typing import Final

from cognitive_operator.api.children import child_name
from cognitive_operator.api.llm import SecretKeyRef
from cognitive_operator.api.resources import Agent

SUFFIX: Final = "vllm"
PORT: Final = 8000
KEY: Final = "api-key"
"""Key of the API key in the Secret that the operator creates for the server."""


def model_server_name(agent: Agent) -> str:
    """Return the common name of the server's Deployment, Service, Secret and PersistentVolumeClaim."""
    return child_name(agent.metadata.name, agent.metadata.uid, SUFFIX)


def with_managed_model(agent: Agent) -> Agent:
    """Return the agent with the endpoint and key of its managed server filled in; unchanged without one."""
    llm = agent.spec.llm
    if llm.vllm is None:
        return agent
    name = model_server_name(agent)
    endpoint = f"http://{name}.{agent.metadata.namespace}.svc:{PORT}/v1"
    bound = llm.model_copy(update={"endpoint": endpoint, "api_key_secret_ref": SecretKeyRef(name=name, key=KEY)})
    return agent.model_copy(update={"spec": agent.spec.model_copy(update={"llm": bound})})
