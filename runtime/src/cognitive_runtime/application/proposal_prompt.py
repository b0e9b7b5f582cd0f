"""Prompt for a proposal."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cognitive_runtime.domain import INTERNAL_CONSTRAINTS, AgentTask, Message, describe_role
from cognitive_runtime.domain.text import clip_utf8

MAX_PART_BYTES: Final = 16 * 1024
"""Size limit of each part: context, rubric, requirements, system prompt, each part of the background, and all other
constraints together."""
MAX_TASK_BYTES: Final = 256 * 1024
_OWN_PLACE: Final = frozenset({"context", "rubric", "requirements"})
_PARTS: Final = "an analysis of the requirements, your approach, the details of the implementation, and the challenges"
_BACKGROUND: Final = {
    "memory": "Your memory of earlier work, where it concerns this task",
    "energy": "The cost of your reasoning so far, which tells nothing about the task",
    "lifecycle": "Your own record",
    "role_probabilities": "Your inclination, from 0 to 1, to explore new ways (E), to rely on your speciality (S) and "
    "to optimise (O)",
}
"""Title of each part of the background."""
_VARIANTS: Final = (
    "Begin with the simplest solution that can work, and add only what is needed.",
    "Begin with what can fail, and design for it first.",
    "Begin with the data: what is stored, what flows, and what must stay consistent.",
    "Begin with those who use the result, and work back to the implementation.",
    "Begin with operation: how it is deployed, observed, changed and undone.",
    "Begin with an assumption of the obvious solution that may be wrong, and do without it.",
)
"""Approaches for diversity, which also vary the proposals of a model that refuses a temperature."""


def proposal_messages(
    task: AgentTask,
    role: str,
    system_prompt: str = "",
    background: Mapping[str, Any] | None = None,
    *,
    variant: int = 0,
) -> tuple[Message, ...]:
    """Return the messages: the role with its requirements, then the task.

    Args:
        task: The task.
        role: Role of the agent.
        system_prompt: System prompt of the agent.
        background: Memory, energy, lifecycle and role probabilities of the agent.
        variant: Number of the approach that a task with diversity suggests; any number is valid.
    """
    return Message("system", _system(task, role, system_prompt, variant)), Message(
        "user", _user(task, background or {})
    )


def _system(task: AgentTask, role: str, system_prompt: str, variant: int) -> str:
    requirements = "\n".join(f"- {item}" for item in task.requirements)
    others = "Others work on the same task: find an approach that they will not think of."
    return _paragraphs(
        f"You are {describe_role(role)}.",
        clip_utf8(system_prompt, MAX_PART_BYTES),
        _part("Your proposal will be judged by this rubric", task.rubric),
        _part("Your proposal must satisfy", requirements),
        f"{others} {_VARIANTS[variant % len(_VARIANTS)]}" if task.diversity else "",
    )


def _user(task: AgentTask, background: Mapping[str, Any]) -> str:
    others = {name: value for name, value in task.constraints.items() if name not in INTERNAL_CONSTRAINTS | _OWN_PLACE}
    return _paragraphs(
        *(_part(title, _json(background.get(name))) for name, title in _BACKGROUND.items()),
        f"The task:\n{clip_utf8(task.task_description, MAX_TASK_BYTES)}",
        _part("Its context", task.context),
        _part("Its other constraints", _json(others)),
        f"Answer with a proposal in four parts: {_PARTS}.",
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if value else ""


def _part(title: str, text: str) -> str:
    return f"{title}:\n{clip_utf8(text, MAX_PART_BYTES)}" if text else ""


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
