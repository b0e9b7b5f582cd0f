"""Requests to the members of a deliberation, and to its judge."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.domain.deliberation import CANDIDATES, TASK, Member
from cognitive_runtime.domain.generation import DEFAULT_TEMPERATURE, MAX_TEMPERATURE
from cognitive_runtime.domain.request import ExecutionRequest
from cognitive_runtime.domain.signature import TaskSignature
from cognitive_runtime.domain.task import CognitiveTaskType

TEMPERATURE_STEP: Final = 0.15
"""Temperature by which each member exceeds the one before. Eight members span 1.05, half of what servers accept."""
_INDEPENDENCE: Final = "Several answers to the task are compared. Find yours independently:"
_APPROACHES: Final = (
    "begin with what speaks against the obvious answer.",
    "begin with the single facts of the input, and build on them.",
    "begin with the goal, and work back to what it needs.",
    "compare at least two possible answers first.",
    "begin with what is most at risk.",
    "begin with the names, numbers and times of the input.",
    "begin with an assumption that may be wrong, and do without it.",
)
"""Approaches of the members 2 to 8, which also vary the answers of a model that refuses a temperature."""


def member_request(request: ExecutionRequest, number: int, timeout_s: float) -> ExecutionRequest:
    """Return the request of a member. Member 1 is asked as the task would be without a deliberation.

    Args:
        request: Request of the attempt, with a deliberation.
        number: Number of the member, from 1.
        timeout_s: Time limit of the member, in seconds.
    """
    has_diversity = request.deliberation is not None and request.deliberation.diversity
    own = replace(request, deliberation=None, member=Member(number, has_diversity), timeout_seconds=timeout_s)
    return _varied(own, number) if has_diversity and number > 1 else own


def judge_request(
    request: ExecutionRequest, judge: TaskSignature, candidates: Sequence[Mapping[str, Any]], timeout_s: float
) -> ExecutionRequest:
    """Return the request to the judge: a custom task with the candidates, and with the constraints of the task."""
    given: dict[str, Any] = {CANDIDATES: [candidate_text(each) for each in candidates]}
    if any(each.name == TASK for each in judge.inputs):
        given[TASK] = json.dumps(dict(request.input), ensure_ascii=False)
    return replace(
        request,
        task_type=CognitiveTaskType.CUSTOM,
        signature=judge,
        input=given,
        context={},
        context_sources=None,
        output_schema=None,
        deliberation=None,
        timeout_seconds=timeout_s,
    )


def candidate_text(outputs: Mapping[str, Any]) -> str:
    """Return an answer as a text: the only output if that is a text, such as a proposal, or else the JSON of all."""
    only = next(iter(outputs.values())) if len(outputs) == 1 else None
    return only if isinstance(only, str) else json.dumps(dict(outputs), ensure_ascii=False)


def _varied(request: ExecutionRequest, number: int) -> ExecutionRequest:
    llm = request.agent.llm
    base = DEFAULT_TEMPERATURE if llm.temperature is None else llm.temperature
    temperature = min(MAX_TEMPERATURE, max(0.0, base + TEMPERATURE_STEP * (number - 1)))
    approach = f"{_INDEPENDENCE} {_APPROACHES[(number - 2) % len(_APPROACHES)]}"
    prompt = "\n\n".join(part for part in (approach, request.agent.system_prompt) if part)
    agent = replace(request.agent, llm=replace(llm, temperature=temperature), system_prompt=prompt)
    return replace(request, agent=agent)
