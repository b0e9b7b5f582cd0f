"""The Secrets whose values an agent's executors read as files."""

from typing import NamedTuple

from cognitive_operator.api.children import child_name
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired import broker_secret
from cognitive_operator.desired.request import (
    API_KEY_FILE,
    REDIS_URL_FILE,
    SERVE_TOKEN_FILE,
    fallback_key_file,
    variant_key_file,
)
from cognitive_operator.desired.tools import token_file


class SecretSource(NamedTuple):
    """One value of a Secret in the agent's namespace, and the name of its file."""

    secret: str
    key: str
    file: str


def secret_sources(agent: Agent) -> list[SecretSource]:
    """Return the sources of an agent's files: of its models, its Redis and its MCP servers, and last of the broker."""
    meta, llm = agent.metadata, agent.spec.llm
    refs = [(llm.api_key_secret_ref, API_KEY_FILE)]
    refs += [(each.api_key_secret_ref, fallback_key_file(n)) for n, each in enumerate(llm.fallbacks, start=1)]
    refs += [(each.api_key_secret_ref, variant_key_file(each.name)) for each in llm.variants]
    refs += [(llm.redis_secret_ref, REDIS_URL_FILE)] if "Redis" in llm.backends else []
    servers = agent.spec.tools.servers if agent.spec.tools else ()
    refs += [(each.token_secret_ref, token_file(each)) for each in servers]
    broker = SecretSource(child_name(meta.name, meta.uid, broker_secret.SUFFIX), broker_secret.KEY, broker_secret.KEY)
    found = [SecretSource(ref.name, ref.key, file) for ref, file in refs if ref]
    token = agent.spec.execution.serve_token
    found += [SecretSource(token.name, token.key, SERVE_TOKEN_FILE)] if token else []
    return [*found, broker]
