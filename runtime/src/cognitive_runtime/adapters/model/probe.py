"""Checks of a model's endpoint for the doctor: reachable, accepts the key, serves the model, answers."""

import time
from dataclasses import dataclass
from typing import Any, Final

import openai
from openai import DefaultAsyncHttpxClient
from pydantic import ValidationError

from cognitive_runtime.adapters.model.adaptation import Adaptation
from cognitive_runtime.adapters.model.completion import Part
from cognitive_runtime.adapters.model.endpoint import printable
from cognitive_runtime.adapters.model.provider_api import ProviderAPI, provider_api
from cognitive_runtime.adapters.model.server import ModelServer
from cognitive_runtime.domain import (
    BadRequest,
    CredentialsRefused,
    LearntBehaviour,
    Message,
    ModelEndpoint,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
    ReasoningError,
    VLLMRequest,
)
from cognitive_runtime.domain.finding import Finding, failed, passed, skipped

INFERENCE_TIMEOUT_S: Final = 60.0
_TOKENS: Final = 16
_ANTHROPIC_VERSION: Final = "2023-06-01"
_KEY_REFUSED: Final = (401, 403)
_NO_LIST: Final = (404, 405, 501)
_SHOWN_MODELS: Final = 5


class _Model(Part):
    id: str


class _Models(Part):
    data: tuple[_Model, ...]


@dataclass(frozen=True)
class _ModelList:
    """Answer of the endpoint to the request for its list of models."""

    status: int
    models: tuple[str, ...] | None = None


class ModelProbe:
    """Checks of one endpoint. ``reach`` reads its list of models, which the other checks evaluate."""

    def __init__(self, target: ModelEndpoint, key: str | None) -> None:
        self._target = target
        self._key = key
        self._api = provider_api(target.provider, target.api_version)
        self._name = printable(self._api.address(target.endpoint))
        self._listed = _ModelList(0)

    async def reach(self) -> Finding:
        """Check that the endpoint answers, and read its list of models."""
        try:
            self._listed = await self._list()
        except openai.APITimeoutError:
            return failed(f"{self._name} does not answer in time", _REACH_HINT)
        except openai.APIConnectionError as error:
            return failed(f"{self._name} cannot be reached: {_os_message(error)}", _REACH_HINT)
        if self._listed.status >= 500:
            return failed(f"{self._name} answers HTTP {self._listed.status}", "check the logs of the model server")
        if 300 <= self._listed.status < 400:
            return failed(f"{self._name} redirects (HTTP {self._listed.status})", "give the URL that it redirects to")
        if self._listed.status == 200 and self._listed.models is None:
            return failed(f"{self._name} answers, but not with a list of models", _ADDRESS_HINT)
        return passed(f"{self._name} answers (HTTP {self._listed.status})")

    async def accept_key(self) -> Finding:
        """Check that the endpoint accepts the key."""
        what = "the API key" if self._key else "a request without an API key"
        if self._listed.status in _KEY_REFUSED or (self._listed.status == 400 and self._target.provider == "google"):
            hint = (
                "replace the key in the Secret that the agent names"
                if self._key
                else "give an API key: the server requires one"
            )
            return failed(f"{self._name} refuses {what} (HTTP {self._listed.status})", hint)
        if self._listed.models is None:
            return skipped(f"{self._name} lists no models (HTTP {self._listed.status})", "check the key with --infer")
        return passed(f"{self._name} lists its models for {what}")

    async def serve(self) -> Finding:
        """Check that the endpoint serves the model."""
        models, model = self._listed.models, self._target.model
        if models is None:
            return skipped(f"{self._name} lists no models", "check the model with --infer")
        if model in {name.removeprefix("models/") for name in models} | set(models):
            return passed(f"{model} is served")
        more = ", …" if len(models) > _SHOWN_MODELS else ""
        served = (", ".join(models[:_SHOWN_MODELS]) + more) or "none"
        return failed(
            f"{model!r} is not served; served models: {served}", "correct llm.model, or load the model on the server"
        )

    async def infer(self) -> Finding:
        """Check that the model answers a short prompt."""
        server = ModelServer(self._target.endpoint, self._target.provider, self._target.api_version)
        messages = (Message("user", "Answer with the one word: ready"),)
        request = VLLMRequest(self._target.model, messages, max_tokens=_TOKENS)
        adaptation = Adaptation(LearntBehaviour(time.time), self._name, request, has_retries=False)
        try:
            answer = await adaptation.call(
                lambda known: server.body(request, known),
                lambda body: server.send(body, self._key, INFERENCE_TIMEOUT_S),
            )
        except ReasoningError as error:
            return failed(f"{error.error_type}: {error}", _hint(error))
        finally:
            await server.close()
        if not answer.choices:
            return failed("the answer has no choices", _ADDRESS_HINT)
        return passed(f"{self._target.model} answered, {answer.token_usage().total_tokens} tokens")

    async def _list(self) -> _ModelList:
        web = DefaultAsyncHttpxClient(follow_redirects=False)  # redirects would send the key to another host
        client = self._api.connect(self._target.endpoint).with_options(http_client=web)
        headers = _headers(self._api, self._target.provider, self._key)
        try:
            raw = await client.models.with_raw_response.list(extra_headers=headers)
            return _ModelList(raw.status_code, _models(raw.content))
        except openai.APIStatusError as error:
            return _ModelList(error.status_code)
        finally:
            await client.close()


_REACH_HINT: Final = "check host, port and network policies"
_ADDRESS_HINT: Final = "give the base URL of an OpenAI-compatible API, which usually ends in /v1"


def _headers(api: ProviderAPI, provider: str, key: str | None) -> dict[str, Any]:
    if provider == "anthropic" and key:  # its list of models requires the key in the header of its native API
        return api.headers(None) | {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
    return api.headers(key)


def _models(content: bytes) -> tuple[str, ...] | None:
    try:
        return tuple(model.id for model in _Models.model_validate_json(content).data)
    except ValidationError:
        return None


def _os_message(error: openai.APIConnectionError) -> str:
    """Return the operating system's message of the innermost cause that has one."""
    cause: BaseException | None = error
    found = type(error.__cause__ or error).__name__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            found = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return found


def _hint(error: ReasoningError) -> str:
    if isinstance(error, CredentialsRefused):
        return "replace the key in the Secret that the agent names"
    if isinstance(error, QuotaExceeded):
        return "pay or raise the quota of the account that the key belongs to"
    if isinstance(error, BadRequest):
        return "check llm.model"
    if isinstance(error, RateLimited):
        return "the rate limit of the key is used up: wait, or raise it"
    if isinstance(error, ModelUnavailable):
        return "check that the model server runs, and its address and logs"
    return "the server is reachable, but the model does not answer: check the logs of the server"
