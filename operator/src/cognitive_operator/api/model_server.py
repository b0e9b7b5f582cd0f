"""Where an agent's own vLLM server answers, and with which key: as if the agent had named both itself."""

from typing import Final

from cognitive_operator.api.children import child_name
from cognitive_operator.api.llm import SecretKeyRef
from cognitive_operator.api.resources import Agent

SUFFIX: Final = "vllm"
PORT: Final = 8000
KEY: Final = "api-key"
"""Key of the server's API key in the Secret that is made for it."""


def model_server_name(agent: Agent) -> str:
    """Return the name of the Deployment, the Service, the Secret and the volume claim of an agent's server."""
    return child_name(agent.metadata.name, agent.metadata.uid, SUFFIX)


def with_managed_model(agent: Agent) -> Agent:
    """Return the agent with endpoint and key of its own server; the agent itself if it has none."""
    llm = agent.spec.llm
    if llm.vllm is None:
        return agent
    name = model_server_name(agent)
    endpoint = f"http://{name}.{agent.metadata.namespace}.svc:{PORT}/v1"
    bound = llm.model_copy(update={"endpoint": endpoint, "api_key_secret_ref": SecretKeyRef(name=name, key=KEY)})
    return agent.model_copy(update={"spec": agent.spec.model_copy(update={"llm": bound})})
