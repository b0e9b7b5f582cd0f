"""Inputs of a signature, taken from a request and bounded in size."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cognitive_runtime.domain import (
    INTERNAL_CONSTRAINTS,
    AgentSettings,
    CognitiveTaskType,
    ExecutionRequest,
    InvalidRequest,
    describe_role,
)
from cognitive_runtime.domain.text import clip_utf8

MAX_CONTEXT_BYTES: Final = 16 * 1024
"""Size limit of each context (memory, energy, lifecycle), as JSON."""
MAX_CONSTRAINT_BYTES: Final = 16 * 1024
"""Size limit of rubric, of requirements, and of all other constraints together, as JSON."""
_OWN_FIELDS: Final = frozenset({"rubric", "requirements"})
MAX_SYSTEM_PROMPT_BYTES: Final = 16 * 1024
"""Size limit of the agent's system prompt. The task's input is bounded by the operator, not here."""

_PASSED: Final = {
    CognitiveTaskType.TASK_PLANNING: {
        "task_description": "task_description",
        "agent_capabilities": "agent_capabilities",
        "available_resources": "available_resources",
    },
    CognitiveTaskType.DECISION_MAKING: {"decision_context": "decision_context", "historical_data": "historical_data"},
    CognitiveTaskType.PROBLEM_SOLVING: {
        "problem_statement": "problem_statement",
        "constraints": "constraints",
        "available_tools": "available_tools",
    },
    CognitiveTaskType.MEMORY_SYNTHESIS: {"memory_fragments": "memory_fragments", "synthesis_goal": "synthesis_goal"},
    CognitiveTaskType.CAPABILITY_ASSESSMENT: {
        "performance_data": "agent_performance_data",
        "agent_performance_data": "agent_performance_data",
        "current_capabilities": "current_capabilities",
        "target_capabilities": "target_capabilities",
    },
}
"""Field of the signature for each key of a task's input. Other keys become ``further_input``.

The input of a failure analysis is passed as a whole.
"""
_REQUIRED: Final = {
    CognitiveTaskType.TASK_PLANNING: "task_description",
    CognitiveTaskType.DECISION_MAKING: "decision_context",
    CognitiveTaskType.PROBLEM_SOLVING: "problem_statement",
    CognitiveTaskType.MEMORY_SYNTHESIS: "memory_fragments",
    CognitiveTaskType.CAPABILITY_ASSESSMENT: "performance_data",
}


def signature_inputs(request: ExecutionRequest) -> dict[str, Any]:
    """Return the inputs of the signature: the task's input, its context and its constraints.

    Raises:
        InvalidRequest: The input does not match its task type; the message names the key.
    """
    if request.signature is not None:
        request.signature.check_input(request.input)
        own = dict(request.input)
    else:
        own = own_inputs(request.task_type, request.input)
    return own | _context(request) | _constraints(request)


def own_inputs(task_type: CognitiveTaskType, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of the signature that come from a task's input, or from that of a demonstration.

    Raises:
        InvalidRequest: The input lacks a key that its task type requires; the message names the key.
    """
    if task_type is CognitiveTaskType.FAILURE_ANALYSIS:
        if not given:
            raise InvalidRequest("input: failure_analysis needs an incident, such as error_message.")
        return {"incident_context": dict(given)}
    passed, required = _PASSED[task_type], _REQUIRED[task_type]
    own = {passed[key]: value for key, value in given.items() if key in passed}
    if _is_empty(own.get(passed[required])):
        raise InvalidRequest(f"input: {task_type.value} needs {required}.")
    further = {key: value for key, value in given.items() if key not in passed}
    return own | ({"further_input": further} if further else {})


def preamble(agent: AgentSettings) -> str:
    """Return the preamble of every prompt: the agent's role and system prompt."""
    introduction = f"You are {describe_role(agent.role)}."
    system_prompt = clip_utf8(agent.system_prompt or "", MAX_SYSTEM_PROMPT_BYTES)
    return f"{introduction}\n\n{system_prompt}".strip()


def _context(request: ExecutionRequest) -> dict[str, Any]:
    contexts = {f"{name}_context": request.context.get(name) for name in ("memory", "energy", "lifecycle")}
    bounded = {name: _bounded(value, MAX_CONTEXT_BYTES) for name, value in contexts.items()}
    return bounded | {"role_probabilities": _plain(request.agent.role_probabilities)}


def _constraints(request: ExecutionRequest) -> dict[str, Any]:
    found = request.constraints
    further = {name: value for name, value in found.items() if name not in _OWN_FIELDS | INTERNAL_CONSTRAINTS}
    return {
        "rubric": _bounded(found.get("rubric"), MAX_CONSTRAINT_BYTES),
        "requirements": _bounded(found.get("requirements"), MAX_CONSTRAINT_BYTES),
        "further_constraints": _bounded(further, MAX_CONSTRAINT_BYTES),
    }


def _bounded(value: Any, max_bytes: int) -> Any:
    """Return the value, or a prefix of its JSON as text if it is too large, or None if it is empty."""
    if _is_empty(value):
        return None
    text = json.dumps(value, ensure_ascii=False)
    clipped = clip_utf8(text, max_bytes)
    return value if clipped == text else f"{clipped}… (cut off at {max_bytes} bytes)"


def _plain(mapping: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(mapping) if mapping else None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | dict) and not value)
