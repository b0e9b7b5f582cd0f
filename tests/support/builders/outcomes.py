"""Results and failures of the first attempt of task t1, which agent a1 has executed."""

from typing import Any

from cognitive_runtime.domain import AgentResult, FailureResult

_TEXTS = ("task_name", "agent_name", "role", "worker", "submission_id", "task_type", "model", "provider")


def agent_result(**fields: Any) -> AgentResult:
    """Return the result of an attempt with a key; ``fields`` replace parts of it."""
    return AgentResult(**_attempt() | {"result": {"thought": "x"}} | fields)


def failure_result(**fields: Any) -> FailureResult:
    """Return a failure that may be retried; ``fields`` replace parts of it."""
    return FailureResult(**_attempt() | {"error": "x", "error_type": "InternalError", "retryable": True} | fields)


def _attempt() -> dict[str, Any]:
    return dict.fromkeys(_TEXTS, "x") | {
        "namespace": "default",
        "task_uid": "t1",
        "attempt": 1,
        "agent_uid": "a1",
        "mode": "Embedded",
        "started_at": "",
        "timestamp": "",
        "duration_ms": 0,
        "attempt_key": "5f" * 32,
    }
