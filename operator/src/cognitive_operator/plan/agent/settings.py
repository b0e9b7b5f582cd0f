"""Bounds on an agent's settings that the CRD cannot express, because they concern sizes as JSON."""

import json
from typing import Any, Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.execution import desired_execution

MAX_EXTRA_BODY_BYTES: Final = 16 * 1024
MAX_DEMONSTRATIONS_BYTES: Final = 64 * 1024
"""Maximum sizes as compact UTF-8 JSON: both are part of each request, and demonstrations of each prompt."""
MAX_EXECUTION_BYTES: Final = 96 * 1024
"""Maximum size of the variable COGNITIVE_EXECUTION. Source: Linux starts no process with a variable of 128 KiB."""


def check_settings(agent: Agent) -> Condition | None:
    """Return Ready, False, if a setting is too large, otherwise None."""
    spec = agent.spec
    fields = [
        ("spec.llm.extraBody", spec.llm.extra_body, MAX_EXTRA_BODY_BYTES),
        ("spec.demonstrations", [each.model_dump() for each in spec.demonstrations], MAX_DEMONSTRATIONS_BYTES),
    ]
    for field, value, most in fields:
        size = _size(value) if value else 0
        if size > most:
            return _too_large(f"{field} is {size} bytes of JSON; the limit is {most}. Shorten it.")
    return _public_route(agent)


def _public_route(agent: Agent) -> Condition | None:
    settings = desired_execution(agent) if agent.spec.execution.serve_token is not None else None
    size = len(settings.model_dump_json().encode()) if settings is not None else 0
    if size <= MAX_EXECUTION_BYTES:
        return None
    return _too_large(
        f"The settings of the HTTP route (spec.execution.serve.public) are {size} bytes of JSON, with the agent's "
        f"prompt, demonstrations and llm; the limit is {MAX_EXECUTION_BYTES}. Shorten them, or close the route."
    )


def _too_large(message: str) -> Condition:
    return Condition.false(AgentCondition.READY, Reason.SETTINGS_TOO_LARGE, message)


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
