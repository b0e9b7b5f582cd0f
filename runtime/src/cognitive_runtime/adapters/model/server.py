"""Model server with OpenAI's chat completions, called through the ``openai`` package."""

import asyncio
import json
import re
from typing import Any, Final

import openai
from httpx2 import RequestError, Response
from openai import RequestOptions
from pydantic_core import from_json

from cognitive_runtime.adapters.model.adaptation import Refusal, may_be_adapted
from cognitive_runtime.adapters.model.completion import Completion
from cognitive_runtime.adapters.model.endpoint import printable
from cognitive_runtime.adapters.model.failures import classify, classify_report
from cognitive_runtime.adapters.model.provider_api import provider_api
from cognitive_runtime.adapters.model.report import ReportedFailure, ServerReport, find_report, read_report, report_of
from cognitive_runtime.adapters.model.request_body import request_body
from cognitive_runtime.adapters.model.stream import assemble
from cognitive_runtime.domain import (
    BadRequest,
    ModelBehaviour,
    ModelTimeout,
    ModelUnavailable,
    ReasoningError,
    VLLMRequest,
)

_PATH: Final = "/chat/completions"
_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB]")


class ModelServer:
    """Connections to one endpoint. Belongs to one event loop."""

    def __init__(self, endpoint: str, provider: str = "openaiCompatible", api_version: str | None = None) -> None:
        self._api = provider_api(provider, api_version)
        self.name = printable(self._api.address(endpoint))
        self._client = self._api.connect(endpoint)

    def body(self, request: VLLMRequest, behaviour: ModelBehaviour) -> dict[str, Any]:
        """Return the body of a call, for a model with this behaviour."""
        return request_body(request, behaviour, self._api)

    async def send(
        self, body: dict[str, Any], api_key: str | None, timeout_s: float, request_id: str | None = None
    ) -> Completion:
        """Make one call.

        Raises:
            Refusal: The server refused the call, possibly because of one of its parameters.
            ReasoningError: The call failed otherwise.
        """
        headers = self._api.headers(api_key)
        if request_id:
            headers["X-Request-Id"] = request_id
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ask(body, headers)
        except TimeoutError:
            raise ModelTimeout(f"The model server {self.name} did not answer within {timeout_s:g} s.") from None
        except ReportedFailure as failure:
            error = classify_report(failure.report, self.name, body["model"])
            raise _refusal(error, failure.report) from None
        except openai.APIConnectionError as failure:
            raise classify(failure, self.name, body["model"]) from None
        except openai.APIError as failure:
            raise _refusal(classify(failure, self.name, body["model"]), report_of(failure)) from None
        except RequestError:  # the package translates no failure while a streamed response is read
            raise ModelUnavailable(f"The model server {self.name} broke off its response.") from None
        except (ValueError, RecursionError):
            raise ModelUnavailable(
                f"The model server {self.name} answered something that is not a chat completion."
            ) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _ask(self, body: dict[str, Any], headers: dict[str, Any]) -> Completion:
        if "stream" not in body:
            return read_completion(await self._post(body, headers))
        call: dict[str, Any] = {
            "model": body["model"],
            "messages": (),
            "stream": body["stream"],
            "extra_headers": headers,
            "extra_body": body,  # replaces the arguments above, which the package would copy key by key
        }
        completions = self._client.chat.completions
        async with completions.with_streaming_response.create(**call) as response:
            if response.headers.get("content-type", "").startswith("application/json"):
                return read_completion(await response.read())  # the server does not support streaming
            return await assemble(await response.parse())

    async def _post(self, body: dict[str, Any], headers: dict[str, Any]) -> bytes:
        """Return the body of the response. ``completions.create`` would first check and copy the messages by types."""
        options: RequestOptions = {"headers": headers, "security": {"bearer_auth": True}}
        response = await self._client.post(_PATH, cast_to=Response, body=body, options=options)
        return response.content


def read_completion(content: bytes) -> Completion:
    """Return the completion within the body of a response.

    Raises:
        ReportedFailure: The body reports a failure.
        ValueError: The body is no completion.
    """
    try:
        answer = Completion.model_validate_json(_encodable(content))
    except ValueError:
        _raise_report(content)
        raise
    if not answer.choices:
        _raise_report(content)
    for choice in answer.choices:
        if choice.error:
            raise ReportedFailure(read_report(choice.error, 0))
        choice.message.texts()
    return answer


def _encodable(content: bytes) -> bytes:
    """Return the body without unpaired surrogates, which Python and JavaScript servers can escape."""
    if _SURROGATE.search(content) is None:
        return content
    text = json.dumps(json.loads(content), ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _raise_report(content: bytes) -> None:
    report = find_report(from_json(content))
    if report is not None:
        raise ReportedFailure(report)


def _refusal(error: ReasoningError, report: ServerReport) -> ReasoningError | Refusal:
    is_open = isinstance(error, BadRequest | ModelUnavailable) and may_be_adapted(report)
    return Refusal(error, report) if is_open else error
