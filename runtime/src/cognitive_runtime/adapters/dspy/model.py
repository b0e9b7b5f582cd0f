"""DSPy language model on top of ``IVLLMClient``."""

from typing import Any

import dspy

from cognitive_runtime.domain import (
    BudgetExceeded,
    IVLLMClient,
    LLMSettings,
    Message,
    ModelEndpoint,
    ReasoningError,
    TokenBudget,
    Usage,
    VLLMRequest,
    VLLMResponse,
)
from cognitive_runtime.domain.limits import BYTES_PER_TOKEN


class PortLanguageModel(dspy.BaseLM):
    """Model of one attempt: sends messages through ``IVLLMClient`` and counts their tokens.

    ``BoundedJSONAdapter`` calls it directly, because DSPy's own request path copies every message several times.
    """

    def __init__(
        self, client: IVLLMClient, settings: LLMSettings, request_id: str, token_budget: int | None = None
    ) -> None:
        """Take the client and the settings of the attempt's calls."""
        super().__init__(
            settings.model, temperature=settings.temperature, max_tokens=settings.max_tokens, cache=False, num_retries=0
        )
        self._client = client
        self._request_id = request_id
        self.settings = settings
        self.usage = Usage()
        self.answered_by: ModelEndpoint | None = None
        self.repairs = 0
        self.last_answer = ""
        """Raw text of the last answer."""
        self._budget = TokenBudget(token_budget)

    def grant(self, messages: list[dict[str, Any]]) -> int:
        """Return the maximum tokens of the answer to a conversation.

        Raises:
            BudgetExceeded: The remaining tokens are not enough for this call.
        """
        try:
            return self._budget.grant(_prompt_tokens(messages), self.settings.max_tokens)
        except BudgetExceeded as error:
            error.usage = self.usage
            raise

    async def complete(
        self,
        messages: list[dict[str, Any]],
        schema: dict[str, Any] | None,
        max_tokens: int,
        *,
        is_tailored: bool = False,
    ) -> VLLMResponse:
        """Return the model's response to a conversation.

        Args:
            messages: The conversation.
            schema: JSON Schema for guided decoding, if the server supports it; None: no schema.
            max_tokens: Maximum tokens of the answer, from ``grant``.
            is_tailored: True if the schema belongs to this task only.

        Raises:
            ReasoningError: The call failed or exceeded the budget. Its usage is that of the whole attempt.
        """
        request = VLLMRequest(
            model=self.settings.model,
            messages=tuple(Message(message["role"], message["content"]) for message in messages),
            temperature=self.settings.temperature,
            max_tokens=max_tokens,
            top_p=self.settings.top_p,
            frequency_penalty=self.settings.frequency_penalty,
            presence_penalty=self.settings.presence_penalty,
            stream=self.settings.stream,
            json_schema=schema,
            has_tailored_schema=is_tailored,
            request_id=self._request_id,
        )
        try:
            response = await self._client.generate(request)
        except ReasoningError as error:
            error.usage += self.usage
            raise
        self.usage += response.usage
        self.answered_by, self.last_answer = response.answered_by, response.content
        self._count(messages, response)
        return response

    def _count(self, messages: list[dict[str, Any]], response: VLLMResponse) -> None:
        """Count the tokens of a call. They are estimated if the server does not report them."""
        estimate = _prompt_tokens(messages) + len(response.content.encode("utf-8", "replace")) // BYTES_PER_TOKEN
        try:
            self._budget.spend(response.usage.total_tokens or estimate)
        except BudgetExceeded as error:
            error.usage = self.usage
            raise


def _prompt_tokens(messages: list[dict[str, Any]]) -> int:
    return sum(len(str(each["content"]).encode("utf-8", "replace")) for each in messages) // BYTES_PER_TOKEN
