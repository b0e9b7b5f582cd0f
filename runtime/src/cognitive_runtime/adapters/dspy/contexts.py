"""Calls of the library: the request for a context, and the result as a dict."""

import logging
import traceback
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from cognitive_runtime.adapters.dspy.json_input import json_input
from cognitive_runtime.domain import (
    AgentSettings,
    CognitiveContext,
    CognitiveTaskType,
    ExecutionRequest,
    InternalError,
    InvalidRequest,
    Reasoning,
    ReasoningError,
    TaskSignature,
)

_LOGGER: Final = logging.getLogger(__name__)
LOCAL_TIMEOUT_S: Final = 300
"""Time limit of a call of the library, in seconds."""
_ECHOED: Final = ("incident_id", "task_description")
"""Keys of the input that a result repeats. Source: the replies of SeedCore's agents and of its HTTP API."""
_DIGITS: Final = 9
"""Decimals of an energy, so that 0.1 + 0.2 reads 0.3."""


BUILT_IN_TYPES: Final = tuple(each.value for each in CognitiveTaskType if each is not CognitiveTaskType.CUSTOM)
"""Names of the task types that need no signature and no handler."""


def type_name(task_type: Any) -> str:
    """Return the name of a task type: the text, or the value of an ``Enum``."""
    return str(getattr(task_type, "value", task_type))


def local_request(
    agent: AgentSettings,
    context: CognitiveContext,
    handled: Mapping[str, Any],
    signatures: Mapping[str, TaskSignature] | None = None,
    **fields: Any,
) -> ExecutionRequest:
    """Return the request for a context.

    Args:
        agent: Settings of the calls.
        context: Input of the call.
        handled: Types with a handler of their own, by name.
        signatures: Types with a signature of their own, by name.
        fields: Further fields of the request.

    Raises:
        InvalidRequest: The context is invalid; the message names the field.
    """
    if not isinstance(context.agent_id, str) or not context.agent_id.strip():
        raise InvalidRequest("agent_id must be a text that is not empty.")
    signature = (signatures or {}).get(type_name(context.task_type))
    task_type = CognitiveTaskType.CUSTOM if signature else _task_type(context.task_type, handled, signatures or {})
    parts = {"memory": context.memory_context, "energy": context.energy_context, "lifecycle": context.lifecycle_context}
    return ExecutionRequest(
        namespace="local",
        task_name=type_name(context.task_type),
        task_uid=str(uuid4()),
        attempt=1,
        agent_name=context.agent_id,
        agent_uid=context.agent_id,
        mode="Embedded",
        attempt_key="",
        task_type=task_type,
        signature=signature,
        input=_object("input_data", context.input_data),
        agent=agent,
        context={name: _object(f"{name}_context", value) for name, value in parts.items() if value},
        **({"timeout_seconds": LOCAL_TIMEOUT_S} | fields),
    )


def completed_result(agent: AgentSettings, context: CognitiveContext, found: Reasoning) -> dict[str, Any]:
    """Return the result of a reasoning for a caller of the library.

    ``thought`` and ``thought_process`` are the reasoning under the names of the core and of SeedCore's agents.
    """
    by = found.answered_by
    answered = {"model_used": by.model, "provider": by.provider} if by else {}
    thought = {"thought": found.thought, "thought_process": found.thought} if found.thought else {}
    native = {"native_reasoning": found.native_reasoning} if found.native_reasoning else {}
    cost = 0.0 if found.cache_hit else _energy(agent, found.thought or found.native_reasoning)
    ending = {"success": True, "confidence": found.confidence, "cache_hit": found.cache_hit, "energy_cost": cost}
    return {**_envelope(agent, context), **answered, **thought, **found.outputs, **native, **ending}


def failed_result(agent: AgentSettings, context: CognitiveContext, error: ReasoningError) -> dict[str, Any]:
    """Return the result of a failed reasoning for a caller of the library."""
    failure = {"error": str(error), "error_type": error.error_type, "retryable": error.retryable}
    waiting = {} if error.retry_after_s is None else {"retry_after_seconds": error.retry_after_s}
    cost = _energy(agent, error.thought or error.native_reasoning)
    return {**_envelope(agent, context), "success": False, **failure, **waiting, "energy_cost": cost}


def _envelope(agent: AgentSettings, context: CognitiveContext) -> dict[str, Any]:
    """Return the fields of every result. The incident's id and the task's description are those of the input."""
    given = context.input_data if isinstance(context.input_data, Mapping) else {}
    return {
        "task_type": type_name(context.task_type),
        "agent_id": context.agent_id,
        "model_used": agent.llm.model,
        "provider": agent.llm.provider,
        **{name: given[name] for name in _ECHOED if isinstance(given.get(name), str)},
    }


def _energy(agent: AgentSettings, thought: str) -> float:
    return round(agent.cost_per_character * len(thought), _DIGITS)


def _task_type(task_type: Any, handled: Mapping[str, Any], signatures: Mapping[str, Any]) -> Any:
    name = type_name(task_type)
    if name in handled and name not in BUILT_IN_TYPES:
        return name
    if name not in BUILT_IN_TYPES:
        known = ", ".join(dict.fromkeys([*BUILT_IN_TYPES, *signatures, *handled]))
        remedy = "add a handler to task_handlers, or register_signature"
        raise InvalidRequest(f"task_type {name!r} is none of {known}; {remedy}.")
    return CognitiveTaskType(name)


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{name} must be a dict, not {type(value).__name__}.")
    found: dict[str, Any] = json_input(name, value)
    return found


def crash(error: Exception) -> InternalError:
    """Log a crash and return it as an error. Only its class is shown: its message can contain prompts or secrets."""
    where = "".join(traceback.format_tb(error.__traceback__))
    _LOGGER.error("reasoning crashed: %s\n%s", type(error).__name__, where)
    return InternalError(f"{type(error).__name__} while reasoning.")
