"""The key of a cached answer: everything that the answer depends on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from cognitive_runtime.domain.request import ExecutionRequest

_OF_THE_ATTEMPT: Final = frozenset(
    {
        "namespace",
        "task_name",
        "task_uid",
        "attempt",
        "agent_name",
        "agent_uid",
        "mode",
        "attempt_key",
        "timeout_seconds",
        "published_at",
        "context_sources",
        "token_budget",
        "traceparent",
    }
)
"""Whose question it is and by when it wants an answer. What is not named here is part of the key, a later field too."""
_OF_THE_AGENT: Final = frozenset({"generation", "cost_per_character"})
_OF_THE_CALL: Final = frozenset(
    {
        "api_key_file",
        "timeout_seconds",
        "max_retries",
        "retry_delay_seconds",
        "stream",
        "logging",
        "cache",
        "rate_limit",
        "redis_url_file",
    }
)


@dataclass(frozen=True)
class CacheKey:
    """Names an answer."""

    digest: str
    size_bytes: int
    """Of what the digest was made of, nearly all of which reaches the prompt."""


def cache_key(request: ExecutionRequest, signature_version: str) -> CacheKey:
    """Return the key of the answer to a request, the same for any order of the keys in its objects.

    Args:
        request: The attempt.
        signature_version: Changes with whatever the code makes of a request of its type.
    """
    found = _without(asdict(request), _OF_THE_ATTEMPT)
    found["context"] = _without(found["context"], _from_agent(request))
    agent = _without(found["agent"], _OF_THE_AGENT)
    agent["llm"] = _without(agent["llm"], _OF_THE_CALL)
    material = found | {"agent": agent, "signature_version": signature_version}
    text = json.dumps(material, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    encoded = text.encode("utf-8", "surrogatepass")
    return CacheKey(hashlib.sha256(encoded).hexdigest(), len(encoded))


def _from_agent(request: ExecutionRequest) -> frozenset[str]:
    """Return the parts of the context that are the agent's counters: they differ with every task."""
    return frozenset(name for name, source in (request.context_sources or {}).items() if source == "agent")


def _without(found: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}
