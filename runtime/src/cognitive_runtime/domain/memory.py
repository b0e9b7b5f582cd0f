"""Memory of an executor: outcomes of its last attempts for one agent, without their content."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.domain.request import ExecutionRequest
from cognitive_runtime.domain.result import AgentResult, AttemptOutcome, FailureResult

MAX_OUTCOMES: Final = 10
MAX_BYTES: Final = 2048
"""Maximum size of the memory as JSON. The oldest outcomes are dropped first."""
SOURCE: Final = "executor"
_SECONDS: Final = len("2026-01-01T00:00:00")


class ExecutorMemory:
    """Memory of one agent. Requests and outcomes of other agents are ignored."""

    def __init__(self, namespace: str, agent_uid: str) -> None:
        """Start with an empty memory."""
        self._owner = (namespace, agent_uid)
        self._outcomes: deque[dict[str, Any]] = deque(maxlen=MAX_OUTCOMES)
        self._writes = 0
        self._hits = 0

    def with_memory(self, request: ExecutionRequest) -> ExecutionRequest:
        """Return the request with this memory added, unless the task supplies its own memory.

        Nothing is added if the agent has a cache, because a cached result is shared by requests with different memory.
        """
        sources = request.context_sources
        is_wanted = sources is not None and sources.get("memory", "none") == "none" and "memory" not in request.context
        if not is_wanted or not self._outcomes or not self._is_own(request) or request.agent.llm.cache.enabled:
            return request
        self._hits += 1
        context = {**request.context, "memory": self._snapshot()}
        return replace(request, context=context, context_sources={**(sources or {}), "memory": SOURCE})

    def record(self, outcome: AttemptOutcome) -> None:
        """Record the outcome of an attempt. A result from the cache is not recorded."""
        is_repeated = isinstance(outcome, AgentResult) and outcome.cache_hit
        if not is_repeated and self._is_own(outcome):
            self._outcomes.append(_remembered(outcome))
            self._writes += 1

    def _is_own(self, of: ExecutionRequest | AttemptOutcome) -> bool:
        return (of.namespace, of.agent_uid) == self._owner

    def _snapshot(self) -> Mapping[str, Any]:
        """Return the memory, with SeedCore's field names and the outcomes, oldest first."""
        outcomes = list(self._outcomes)
        while True:
            found = {
                "memory_utilization": round(len(outcomes) / MAX_OUTCOMES, 2),
                "memory_writes": self._writes,
                "memory_hits": self._hits,
                "recent_outcomes": outcomes,
            }
            if not outcomes or len(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")) <= MAX_BYTES:
                return found
            outcomes = outcomes[1:]


def _remembered(outcome: AttemptOutcome) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "task_type": outcome.task_type,
        "outcome": outcome.status,
        "ended_at": f"{outcome.timestamp[:_SECONDS]}Z",
    }
    if isinstance(outcome, FailureResult):
        return entry | {"error_type": outcome.error_type}
    confidence = outcome.confidence if isinstance(outcome, AgentResult) else None
    return entry if confidence is None else entry | {"confidence": round(confidence, 4)}
