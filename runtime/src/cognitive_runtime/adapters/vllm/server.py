"""One model server that speaks OpenAI's chat completions, through the ``openai`` package."""

import asyncio
from typing import Any, Final

import openai
from openai import AsyncOpenAI, Omit

from cognitive_runtime.adapters.vllm.answer import Answer
from cognitive_runtime.adapters.vllm.endpoint import base_url, printable
from cognitive_runtime.adapters.vllm.failures import classify
from cognitive_runtime.adapters.vllm.stream import STREAMED, assemble
from cognitive_runtime.domain import BadRequest, ModelTimeout, ModelUnavailable, ReasoningError, VLLMRequest

_UNUSED_KEY: Final = "sent-per-request"
_SCHEMA_REFUSED: Final = (400, 415, 422, 501)
"""What servers answer to a ``response_format`` or a grammar that they do not support."""
_FOREIGN_HEADERS: Final = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
"""The package fills these from the environment of the process: they are not this agent's."""


class ModelServer:
    """The connections to one endpoint. Belongs to one event loop."""

    def __init__(self, endpoint: str) -> None:
        self.name = printable(base_url(endpoint))
        self._client = AsyncOpenAI(base_url=base_url(endpoint), api_key=_UNUSED_KEY, max_retries=0, timeout=None)
        self._without_schema: set[str] = set()

    async def complete(self, request: VLLMRequest, api_key: str | None, timeout_s: float) -> Answer:
        """Make one call; a server that refuses ``response_format`` is asked again without it, now and ever after.

        Raises:
            ReasoningError: The call failed.
        """
        if request.json_schema is None or request.model in self._without_schema:
            return await self._call(_arguments(request), request, api_key, timeout_s)
        with_schema = _arguments(request) | {"response_format": _response_format(request.json_schema)}
        try:
            return await self._call(with_schema, request, api_key, timeout_s)
        except _SchemaRefused:
            answer = await self._call(_arguments(request), request, api_key, timeout_s)
            self._without_schema.add(request.model)
            return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _call(
        self, arguments: dict[str, Any], request: VLLMRequest, api_key: str | None, timeout_s: float
    ) -> Answer:
        headers = _FOREIGN_HEADERS | {"Authorization": f"Bearer {api_key}" if api_key else Omit()}
        if request.request_id:
            headers["X-Request-Id"] = request.request_id
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(arguments, headers)
        except TimeoutError:
            raise ModelTimeout(f"The model server {self.name} did not answer within {timeout_s:g} s.") from None
        except openai.APIError as error:
            raise _refine(error, classify(error, self.name, request.model), arguments) from None
        except ValueError:
            raise ModelUnavailable(f"The model server {self.name} answered what is no chat completion.") from None

    async def _ask(self, arguments: dict[str, Any], headers: dict[str, Any]) -> Answer:
        completions = self._client.chat.completions
        if "stream" not in arguments:
            raw = await completions.with_raw_response.create(**arguments, extra_headers=headers)
            return Answer.model_validate_json(raw.content)
        async with completions.with_streaming_response.create(**arguments, extra_headers=headers) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                return Answer.model_validate_json(await response.read())  # a server that knows no streams
            return await assemble(await response.parse())


class _SchemaRefused(BadRequest):
    """A request with ``response_format`` was refused, for this or for another reason."""


def _refine(error: openai.APIError, found: ReasoningError, arguments: dict[str, Any]) -> ReasoningError:
    is_refusal = isinstance(error, openai.APIStatusError) and error.status_code in _SCHEMA_REFUSED
    if is_refusal and "response_format" in arguments and isinstance(found, BadRequest | ModelUnavailable):
        return _SchemaRefused(str(found))
    return found


def _arguments(request: VLLMRequest) -> dict[str, Any]:
    penalties = {"frequency_penalty": request.frequency_penalty, "presence_penalty": request.presence_penalty}
    return {
        "model": request.model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_tokens": request.max_tokens,
        **{name: value for name, value in penalties.items() if value},  # not every server knows them
        **(STREAMED if request.stream else {}),
    }


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
