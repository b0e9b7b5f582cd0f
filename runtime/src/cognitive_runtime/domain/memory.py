"""What an executor remembers of its own work for one agent: how its last attempts ended, never what they were about."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.domain.request import ExecutionRequest
from cognitive_runtime.domain.result import AgentResult, AttemptOutcome, FailureResult

MAX_OUTCOMES: Final = 10
MAX_BYTES: Final = 2048
"""Of the memory as JSON; the oldest outcomes give way."""
SOURCE: Final = "executor"
_SECONDS: Final = len("2026-01-01T00:00:00")


class ExecutorMemory:
    """Belongs to one agent: what another one asks or is answered neither changes it nor sees it."""

    def __init__(self, namespace: str, agent_uid: str) -> None:
        """Begin with nothing."""
        self._owner = (namespace, agent_uid)
        self._outcomes: deque[dict[str, Any]] = deque(maxlen=MAX_OUTCOMES)
        self._writes = 0
        self._hits = 0

    def with_memory(self, request: ExecutionRequest) -> ExecutionRequest:
        """Return the request with this memory where its task gives none.

        Left out with a cache: its answers are given again to whoever asks the same, with whatever memory.
        """
        sources = request.context_sources
        is_wanted = sources is not None and sources.get("memory", "none") == "none" and "memory" not in request.context
        if not is_wanted or not self._outcomes or not self._is_own(request) or request.agent.llm.cache.enabled:
            return request
        self._hits += 1
        context = {**request.context, "memory": self._snapshot()}
        return replace(request, context=context, context_sources={**(sources or {}), "memory": SOURCE})

    def record(self, outcome: AttemptOutcome) -> None:
        """Remember how an attempt ended; an answer that was given again is nothing new."""
        is_repeated = isinstance(outcome, AgentResult) and outcome.cache_hit
        if not is_repeated and self._is_own(outcome):
            self._outcomes.append(_remembered(outcome))
            self._writes += 1

    def _is_own(self, of: ExecutionRequest | AttemptOutcome) -> bool:
        return (of.namespace, of.agent_uid) == self._owner

    def _snapshot(self) -> Mapping[str, Any]:
        """Return the memory with the names that the original's agents use, and the outcomes, oldest first."""
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
    told: dict[str, Any] = {
        "task_type": outcome.task_type,
        "outcome": outcome.status,
        "ended_at": f"{outcome.timestamp[:_SECONDS]}Z",
    }
    if isinstance(outcome, FailureResult):
        return told | {"error_type": outcome.error_type}
    confidence = outcome.confidence if isinstance(outcome, AgentResult) else None
    return told if confidence is None else told | {"confidence": round(confidence, 4)}
