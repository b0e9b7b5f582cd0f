"""DSPy's language model over the runtime's own port."""

from typing import Any

import dspy

from cognitive_runtime.domain import (
    IVLLMClient,
    LLMSettings,
    Message,
    ModelEndpoint,
    ReasoningError,
    Usage,
    VLLMRequest,
    VLLMResponse,
)


class PortLanguageModel(dspy.BaseLM):
    """The model of one attempt: sends DSPy's messages through ``IVLLMClient`` and counts their tokens.

    ``BoundedJSONAdapter`` calls it directly: DSPy's own request path copies every message between threads and formats.
    """

    def __init__(self, client: IVLLMClient, settings: LLMSettings, request_id: str) -> None:
        """Take the client, and what every call of the attempt shares."""
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
        """The model's own words, as long as nothing better is known of them."""

    async def complete(self, messages: list[dict[str, Any]], schema: dict[str, Any]) -> VLLMResponse:
        """Return the model's answer to a conversation.

        Raises:
            ReasoningError: The call failed; its usage is that of the whole attempt.
        """
        request = VLLMRequest(
            model=self.settings.model,
            messages=tuple(Message(message["role"], message["content"]) for message in messages),
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_tokens,
            top_p=self.settings.top_p,
            frequency_penalty=self.settings.frequency_penalty,
            presence_penalty=self.settings.presence_penalty,
            stream=self.settings.stream,
            json_schema=schema,
            request_id=self._request_id,
        )
        try:
            response = await self._client.generate(request)
        except ReasoningError as error:
            error.usage += self.usage
            raise
        self.usage += response.usage
        self.answered_by = response.answered_by
        self.last_answer = response.content
        return response
