"""Results of tasks in the shape of the core in process."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cognitive_runtime.application.cognitive_calls import ECHOED
from cognitive_runtime.domain import CognitiveContext, CognitiveTaskType, ReasoningError
from cognitive_runtime.domain.call_refused import CallRefused

Body = Mapping[str, Any]
QUEUE_FULL: Final = "QueueFull"
QUEUE_RETRY_S: Final = 5
"""Seconds after which a call that a full queue refused may come again. A queue has no estimate of its own."""
_RETRYABLE: Final = frozenset(
    {QUEUE_FULL, "ExecutorLost", "JobFailed", "QueueTimeout", "ResponseInvalid", "ResultLost"}
)
"""Retryable causes that only the operator states. Source: docs/reference/wire.md."""
_ENDED: Final = ("Succeeded", "Failed", "Cancelled")


def has_ended(task: Body) -> bool:
    """Tell that the status of a task is final."""
    return (task.get("status") or {}).get("phase") in _ENDED


def lacks_agent(task: Body) -> bool:
    """Return True if the task waits because its agent does not exist."""
    return not has_ended(task) and (task.get("status") or {}).get("reason") == "AgentNotFound"


def identity(task: Body) -> dict[str, str]:
    """Return the fields of a result that name its task."""
    return {"task": task["metadata"]["name"], "namespace": task["metadata"]["namespace"]}


def result_of(context: CognitiveContext, task: Body) -> dict[str, Any]:
    """Return the result of a task that has ended."""
    status = task["status"]
    if status["phase"] != "Succeeded":
        return _failed(context, task)
    if status.get("resultRef"):
        return _too_large(context, task)
    return _completed(context, task)


def refused(context: CognitiveContext, error: CallRefused) -> dict[str, Any]:
    """Return the result of a call that a cluster refuses."""
    return {"task_type": context.task_type.value, "agent_id": context.agent_id, **_echoed(context), **error.result()}


def not_finished(task: Body, timeout_s: float) -> CallRefused:
    """Return the end of a call whose task takes longer than the call."""
    status = task.get("status") or {}
    waiting = f"{status.get('phase') or 'not processed yet'}: {status.get('reason') or 'no reason'}"
    name = f"{task['metadata']['namespace']}/{task['metadata']['name']}"
    message = (
        f"CognitiveTask {name} has not ended within {timeout_s:g} s ({waiting}) and goes on; read its status later, or "
        "set its spec.cancel"
    )
    return with_task(CallRefused("TaskNotFinished", message), task)


def with_task(error: CallRefused, task: Body) -> CallRefused:
    """Return the refusal with the name of its task."""
    error.task = identity(task)
    return error


def _completed(context: CognitiveContext, task: Body) -> dict[str, Any]:
    status = task["status"]
    outputs: Mapping[str, Any] = status.get("result") or {}
    thought = outputs.get(_thought_name(context)) or ""
    native = status.get("reasoning") or ""
    thoughts = {"thought": thought, "thought_process": thought} if thought else {}
    return {
        **_envelope(context, task),
        **thoughts,
        **outputs,
        # status.reasoning is the thinking of a reasoning model, or else the beginning of the thought.
        **({"native_reasoning": native} if native and not thought.startswith(native) else {}),
        "success": True,
        "confidence": status.get("confidence"),
        "cache_hit": status.get("cacheHit") or False,
        "energy_cost": _energy(status),
    }


def _failed(context: CognitiveContext, task: Body) -> dict[str, Any]:
    status = task["status"]
    reason = status.get("reason") or "InternalError"
    waiting = {"retry_after_seconds": QUEUE_RETRY_S} if reason == QUEUE_FULL else {}
    return {
        **_envelope(context, task),
        "success": False,
        "error": status.get("message") or f"the task ended as {status['phase']}",
        "error_type": reason,
        "retryable": reason in _RETRYABLE or reason in _RETRYABLE_ERRORS,
        **waiting,
        "energy_cost": _energy(status),
    }


def _too_large(context: CognitiveContext, task: Body) -> dict[str, Any]:
    """Return the failure of a call whose result is on the broker, which this server does not read."""
    reference = task["status"]["resultRef"]
    names = identity(task)
    message = (
        f"the result of CognitiveTask {names['namespace']}/{names['task']} has {reference.get('sizeBytes')} bytes and "
        "is on the broker; read it with cognitive-operator result"
    )
    failure = {"error": message, "error_type": "ResultTooLarge", "retryable": False, "result_ref": dict(reference)}
    return {**_envelope(context, task), "success": False, **failure, "energy_cost": _energy(task["status"])}


def _envelope(context: CognitiveContext, task: Body) -> dict[str, Any]:
    model = task["status"].get("model") or {}
    answered = {"model_used": model.get("name"), "provider": model.get("provider")}
    return {
        "task_type": context.task_type.value,
        "agent_id": context.agent_id,
        **{name: value for name, value in answered.items() if value},
        **_echoed(context),
        **identity(task),
    }


def _echoed(context: CognitiveContext) -> dict[str, Any]:
    given = context.input_data
    return {name: given[name] for name in ECHOED if isinstance(given.get(name), str)}


def _thought_name(context: CognitiveContext) -> str:
    return "reasoning" if context.task_type is CognitiveTaskType.DECISION_MAKING else "thought"


def _energy(status: Body) -> float:
    return float((status.get("energy") or {}).get("delta") or 0.0)


def _retryable_errors(kind: type[ReasoningError]) -> Iterator[str]:
    for each in kind.__subclasses__():
        if each.retryable:
            yield each.__name__
        yield from _retryable_errors(each)


_RETRYABLE_ERRORS: Final = frozenset(_retryable_errors(ReasoningError))
