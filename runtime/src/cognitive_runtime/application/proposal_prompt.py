"""Prompt for a proposal."""

import json
from typing import Final

from cognitive_runtime.domain import INTERNAL_CONSTRAINTS, AgentTask, Message, describe_role
from cognitive_runtime.domain.text import clip_utf8

MAX_PART_BYTES: Final = 16 * 1024
"""Size limit of each part: context, rubric, requirements, and all other constraints together."""
MAX_TASK_BYTES: Final = 256 * 1024
_OWN_PLACE: Final = frozenset({"context", "rubric", "requirements"})
_PARTS: Final = "an analysis of the requirements, your approach, the details of the implementation, and the challenges"


def proposal_messages(task: AgentTask, role: str) -> tuple[Message, ...]:
    """Return the messages: the role with its requirements, then the task."""
    return Message("system", _system(task, role)), Message("user", _user(task))


def _system(task: AgentTask, role: str) -> str:
    requirements = "\n".join(f"- {item}" for item in task.requirements)
    return _paragraphs(
        f"You are {describe_role(role)}.",
        _part("Your proposal will be judged by this rubric", task.rubric),
        _part("Your proposal must satisfy", requirements),
        "Others work on the same task: find an approach that they will not think of." if task.diversity else "",
    )


def _user(task: AgentTask) -> str:
    others = {name: value for name, value in task.constraints.items() if name not in INTERNAL_CONSTRAINTS | _OWN_PLACE}
    return _paragraphs(
        f"The task:\n{clip_utf8(task.task_description, MAX_TASK_BYTES)}",
        _part("Its context", task.context),
        _part("Its other constraints", json.dumps(others, ensure_ascii=False) if others else ""),
        f"Answer with a proposal in four parts: {_PARTS}.",
    )


def _part(title: str, text: str) -> str:
    return f"{title}:\n{clip_utf8(text, MAX_PART_BYTES)}" if text else ""


def _paragraphs(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)
