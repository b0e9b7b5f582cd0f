"""Model server with OpenAI's chat completions, called through the ``openai`` package."""

import asyncio
from collections.abc import Set
from typing import Any, Final, Literal

import openai

from cognitive_runtime.adapters.vllm.completion import Completion
from cognitive_runtime.adapters.vllm.endpoint import printable
from cognitive_runtime.adapters.vllm.failures import classify
from cognitive_runtime.adapters.vllm.provider_api import provider_api
from cognitive_runtime.adapters.vllm.stream import STREAMED, assemble
from cognitive_runtime.domain import BadRequest, ModelTimeout, ModelUnavailable, ReasoningError, VLLMRequest

_SCHEMA_REFUSED: Final = (400, 415, 422, 501)
"""Status codes for a ``response_format`` or a grammar that the server does not support."""
_Optional = Literal["response_format", "max_tokens"]
"""Parameters that a model may not support, and is then called without.

OpenAI's reasoning models require ``max_completion_tokens`` in place of ``max_tokens``. Most other servers do not
support it.
"""


class ModelServer:
    """Connections to one endpoint. Belongs to one event loop."""

    def __init__(self, endpoint: str, provider: str = "openaiCompatible", api_version: str | None = None) -> None:
        self._api = provider_api(provider, api_version)
        self.name = printable(self._api.address(endpoint))
        self._client = self._api.connect(endpoint)
        self._unsupported: dict[str, frozenset[_Optional]] = {}

    async def complete(self, request: VLLMRequest, api_key: str | None, timeout_s: float) -> Completion:
        """Make one call. A parameter that the model refuses is omitted, in this call and in all later ones.

        Raises:
            ReasoningError: The call failed.
        """
        unsupported = self._unsupported.get(request.model, frozenset())
        while True:
            try:
                answer = await self._call(self._arguments(request, unsupported), request, api_key, timeout_s)
            except _ParameterRefused as refusal:
                unsupported |= {refusal.name}
                continue
            learnt = unsupported - {"response_format"} if request.has_tailored_schema else unsupported
            self._unsupported[request.model] = self._unsupported.get(request.model, frozenset()) | learnt
            return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _call(
        self, arguments: dict[str, Any], request: VLLMRequest, api_key: str | None, timeout_s: float
    ) -> Completion:
        headers = self._api.headers(api_key)
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
            raise ModelUnavailable(
                f"The model server {self.name} answered something that is not a chat completion."
            ) from None

    async def _ask(self, arguments: dict[str, Any], headers: dict[str, Any]) -> Completion:
        completions = self._client.chat.completions
        call: dict[str, Any] = {
            "model": arguments["model"],
            "messages": (),
            "stream": arguments.get("stream", openai.omit),
            "extra_headers": headers,
            "extra_body": arguments,  # replaces the arguments above, which the package would copy key by key
        }
        if "stream" not in arguments:
            raw = await completions.with_raw_response.create(**call)
            return Completion.model_validate_json(raw.content)
        async with completions.with_streaming_response.create(**call) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                return Completion.model_validate_json(await response.read())  # the server does not support streaming
            return await assemble(await response.parse())

    def _arguments(self, request: VLLMRequest, unsupported: Set[_Optional]) -> dict[str, Any]:
        penalties = {"frequency_penalty": request.frequency_penalty, "presence_penalty": request.presence_penalty}
        schema = None if "response_format" in unsupported else request.json_schema
        return {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_completion_tokens" if "max_tokens" in unsupported else "max_tokens": request.max_tokens,
            **self._api.settings({"temperature": request.temperature, "top_p": request.top_p}),
            **{name: value for name, value in penalties.items() if value},  # not every server supports them
            **(STREAMED if request.stream else {}),
            **({} if schema is None else {"response_format": _response_format(schema)}),
        }


class _ParameterRefused(BadRequest):
    """The server refused a request, possibly because of an optional parameter."""

    def __init__(self, message: str, name: _Optional) -> None:
        super().__init__(message)
        self.name = name


def _refine(error: openai.APIError, found: ReasoningError, arguments: dict[str, Any]) -> ReasoningError:
    if not isinstance(error, openai.APIStatusError) or not isinstance(found, BadRequest | ModelUnavailable):
        return found
    if error.status_code == 400 and error.param == "max_tokens" and "max_tokens" in arguments:
        return _ParameterRefused(str(found), "max_tokens")
    if error.status_code in _SCHEMA_REFUSED and "response_format" in arguments:
        return _ParameterRefused(str(found), "response_format")
    return found


def _response_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": _is_strict(schema), "schema": schema}}


def _is_strict(schema: Any) -> bool:
    """Return True if all properties are required, which OpenAI's strict mode demands."""
    if isinstance(schema, list):
        return all(_is_strict(each) for each in schema)
    if not isinstance(schema, dict):
        return True
    is_complete = len(schema.get("required", ())) == len(schema.get("properties", ()))
    return is_complete and all(_is_strict(each) for each in schema.values())
