"""Bounds on an agent's settings that the CRD cannot express, because they concern sizes as JSON."""

import json
from typing import Any, Final

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.resources import Agent

MAX_EXTRA_BODY_BYTES: Final = 16 * 1024
MAX_DEMONSTRATIONS_BYTES: Final = 64 * 1024
"""Maximum sizes as compact UTF-8 JSON: both are part of each request, and demonstrations of each prompt."""


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
            message = f"{field} is {size} bytes of JSON; the limit is {most}. Shorten it."
            return Condition.false(AgentCondition.READY, Reason.SETTINGS_TOO_LARGE, message)
    return None


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
