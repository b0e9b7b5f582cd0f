"""Proposals for requests: ``GenerateProposal`` with the model of an attempt."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.adapters.dspy.calls.model import AttemptModel
from cognitive_runtime.application import GenerateProposal
from cognitive_runtime.application.proposal_prompt import proposal_messages
from cognitive_runtime.domain import (
    AgentTask,
    BudgetExceeded,
    ExecutionRequest,
    InvalidRequest,
    ModelBehaviour,
    Reasoning,
    VLLMRequest,
    VLLMResponse,
)

NO_CONFIDENCE: Final = "a proposal states no confidence"
_FIELDS: Final = ("task_description", "context", "diversity")


def proposal_task(request: ExecutionRequest) -> AgentTask:
    """Return the task of a request for a proposal.

    Raises:
        InvalidRequest: The input or a constraint is invalid; the message names the field.
    """
    given = request.input
    unknown = next((name for name in given if name not in _FIELDS), None)
    if unknown is not None:
        raise InvalidRequest(f"input.{unknown[:63]} is unknown; a proposal has {', '.join(_FIELDS)}.")
    description, diversity = given.get("task_description"), given.get("diversity", False)
    if not isinstance(description, str) or not description.strip():
        raise InvalidRequest("input: proposal needs task_description, a text that is not empty.")
    if not isinstance(diversity, bool):
        raise InvalidRequest("input.diversity must be true or false.")
    context = _text(given.get("context"))
    member = f".{request.member.number}" if request.member else ""
    try:
        return AgentTask(f"{request.attempt_id}{member}", description, context, dict(request.constraints), diversity)
    except ValueError as error:
        raise InvalidRequest(f"{error}.") from None


def proposal_version(task: AgentTask) -> str | None:
    """Return the version of the prompt, for the cache key. None if a result must not be reused: it has diversity."""
    if task.diversity:
        return None
    whole = AgentTask("t", "d", "c", {"rubric": "r", "requirements": ["q"], "further": 1})
    background = dict.fromkeys(("memory", "energy", "lifecycle", "role_probabilities"), "b")
    texts = [message.content for message in proposal_messages(whole, "r", "s", background)]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


async def propose(request: ExecutionRequest, task: AgentTask, model: AttemptModel) -> Reasoning:
    """Return the proposal for a request.

    Raises:
        ReasoningError: The class tells the cause, and whether to retry.
    """
    generate = GenerateProposal(_BudgetedModel(model), request.agent, request.timeout_seconds)
    background = dict(request.context) | {"role_probabilities": request.agent.role_probabilities}
    proposal = await generate(task, background)
    return Reasoning(
        outputs={"proposal": proposal.content},
        thought="",
        confidence_reason=NO_CONFIDENCE,
        usage=model.usage,
        calls=model.calls,
        answered_by=model.answered_by,
        native_reasoning=model.native_reasoning,
    )


class _BudgetedModel:
    """Implements ``IVLLMClient`` with the model of an attempt: an answer has at most the tokens of its budget."""

    def __init__(self, model: AttemptModel) -> None:
        self._model = model

    @property
    def behaviour(self) -> ModelBehaviour:
        """Learnt behaviour of the model that the next call goes to."""
        return self._model.behaviour

    def learn_bounded(self) -> None:
        """Remember that the model's free answers are cut off."""
        self._model.learn_bounded()

    async def generate(self, request: VLLMRequest) -> VLLMResponse:
        """Return the response.

        Raises:
            BudgetExceeded: The budget has no room for a whole answer.
            ReasoningError: The call failed.
        """
        size = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
        granted = self._model.answer_tokens(size, request.max_tokens)
        response = await self._model.generate(replace(request, max_tokens=granted))
        if response.is_truncated and granted < request.max_tokens:
            left = f"the {granted} tokens that spec.budget.tokens left to it"
            raise BudgetExceeded(f"The proposal was cut off at {left}.", usage=self._model.usage)
        return response


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False)
