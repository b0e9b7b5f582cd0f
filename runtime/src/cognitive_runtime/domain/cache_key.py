"""Cache key of a result: a digest of everything that the result depends on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from cognitive_runtime.domain.request import ExecutionRequest

_ATTEMPT_FIELDS: Final = frozenset(
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
        "placement",
        "variant",
    }
)
"""Request fields that do not influence the result. Every other field, also a future one, is part of the key."""
_LATER_FIELDS: Final = frozenset({"signature", "deliberation", "member", "tools"})
"""Fields that only some tasks have. Where they are None, keys stay what they were without them."""
_AGENT_FIELDS: Final = frozenset({"generation", "cost_per_character"})
_CALL_FIELDS: Final = frozenset(
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
        "learnt",
    }
)


@dataclass(frozen=True)
class CacheKey:
    """Key of a cached result."""

    digest: str
    size_bytes: int
    """Size of the digested JSON, nearly all of which is part of the prompt."""


def cache_key(request: ExecutionRequest, signature_version: str) -> CacheKey:
    """Return the cache key of a request. The order of the keys in its objects does not matter.

    Args:
        request: The attempt.
        signature_version: Version of the prompt and schema that the code derives from a request of this type.
    """
    absent = frozenset(name for name in _LATER_FIELDS if getattr(request, name) is None)
    found = _without(asdict(request), _ATTEMPT_FIELDS | absent)
    found["context"] = _without(found["context"], _from_agent(request))
    agent = _without(found["agent"], _AGENT_FIELDS)
    agent["llm"] = _without(agent["llm"], _CALL_FIELDS)
    material = found | {"agent": agent, "signature_version": signature_version}
    text = json.dumps(material, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    encoded = text.encode("utf-8", "surrogatepass")
    return CacheKey(hashlib.sha256(encoded).hexdigest(), len(encoded))


def _from_agent(request: ExecutionRequest) -> frozenset[str]:
    """Return the parts of the context that hold the agent's counters, which differ for every task."""
    return frozenset(name for name, source in (request.context_sources or {}).items() if source == "agent")


def _without(found: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}
