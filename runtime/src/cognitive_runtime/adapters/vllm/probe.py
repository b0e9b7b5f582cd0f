"""Looks at a model's endpoint for the doctor: is it there, does it take the key, serve the model and answer."""

from dataclasses import dataclass
from typing import Any, Final

import openai
from openai import DefaultAsyncHttpxClient
from pydantic import ValidationError

from cognitive_runtime.adapters.vllm.completion import Part
from cognitive_runtime.adapters.vllm.endpoint import printable
from cognitive_runtime.adapters.vllm.provider_api import ProviderAPI, provider_api
from cognitive_runtime.adapters.vllm.server import ModelServer
from cognitive_runtime.domain import BadRequest, Message, ModelEndpoint, RateLimited, ReasoningError, VLLMRequest
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
class _Seen:
    """What the endpoint answered when it was asked for its models."""

    status: int
    models: tuple[str, ...] | None = None


class ModelProbe:
    """One endpoint; ``reach`` asks it, and the others say what follows from its answer."""

    def __init__(self, target: ModelEndpoint, key: str | None) -> None:
        self._target = target
        self._key = key
        self._api = provider_api(target.provider, target.api_version)
        self._name = printable(self._api.address(target.endpoint))
        self._seen = _Seen(0)

    async def reach(self) -> Finding:
        """Ask for the list of models, once."""
        try:
            self._seen = await self._list()
        except openai.APITimeoutError:
            return failed(f"{self._name} does not answer in time", _REACH_HINT)
        except openai.APIConnectionError as error:
            return failed(f"{self._name} cannot be reached: {_cause(error)}", _REACH_HINT)
        if self._seen.status >= 500:
            return failed(f"{self._name} answers HTTP {self._seen.status}", "look at the model server's own logs")
        if 300 <= self._seen.status < 400:
            return failed(f"{self._name} redirects (HTTP {self._seen.status})", "give the URL that it redirects to")
        if self._seen.status == 200 and self._seen.models is None:
            return failed(f"{self._name} answers, but not with a list of models", _ADDRESS_HINT)
        return passed(f"{self._name} answers (HTTP {self._seen.status})")

    async def accept_key(self) -> Finding:
        """Say whether the key was taken."""
        what = "the API key" if self._key else "a request without an API key"
        if self._seen.status in _KEY_REFUSED or (self._seen.status == 400 and self._target.provider == "google"):
            hint = "replace the key in the Secret that the agent names" if self._key else "the server wants a key"
            return failed(f"{self._name} refuses {what} (HTTP {self._seen.status})", hint)
        if self._seen.models is None:
            return skipped(f"{self._name} lists no models (HTTP {self._seen.status})", "prove the key with --infer")
        return passed(f"{self._name} lists its models for {what}")

    async def serve(self) -> Finding:
        """Say whether the model is among those that are served."""
        models, model = self._seen.models, self._target.model
        if models is None:
            return skipped(f"{self._name} lists no models", "prove the model with --infer")
        if model in {name.removeprefix("models/") for name in models} | set(models):
            return passed(f"{model} is served")
        more = ", …" if len(models) > _SHOWN_MODELS else ""
        served = (", ".join(models[:_SHOWN_MODELS]) + more) or "none"
        return failed(f"{model!r} is not served; these are: {served}", "correct llm.model, or let the server load it")

    async def infer(self) -> Finding:
        """Let the model say a word."""
        server = ModelServer(self._target.endpoint, self._target.provider, self._target.api_version)
        messages = (Message("user", "Answer with the one word: ready"),)
        question = VLLMRequest(self._target.model, messages, temperature=1.0, max_tokens=_TOKENS)
        try:
            answer = await server.complete(question, self._key, INFERENCE_TIMEOUT_S)
        except ReasoningError as error:
            return failed(f"{error.error_type}: {error}", _hint(error))
        finally:
            await server.close()
        if not answer.choices:
            return failed("the answer has no choices", _ADDRESS_HINT)
        return passed(f"{self._target.model} answered, {answer.token_usage().total_tokens} tokens")

    async def _list(self) -> _Seen:
        web = DefaultAsyncHttpxClient(follow_redirects=False)  # other hosts would get the key
        client = self._api.connect(self._target.endpoint).with_options(http_client=web)
        headers = _headers(self._api, self._target.provider, self._key)
        try:
            raw = await client.models.with_raw_response.list(extra_headers=headers)
            return _Seen(raw.status_code, _models(raw.content))
        except openai.APIStatusError as error:
            return _Seen(error.status_code)
        finally:
            await client.close()


_REACH_HINT: Final = "check the host, the port and the network policy between here and there"
_ADDRESS_HINT: Final = "is this the base URL of an OpenAI-compatible API? It usually ends in /v1"


def _headers(dialect: ProviderAPI, provider: str, key: str | None) -> dict[str, Any]:
    if provider == "anthropic" and key:  # its list of models wants the key in the header of its own API
        return dialect.headers(None) | {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
    return dialect.headers(key)


def _models(content: bytes) -> tuple[str, ...] | None:
    try:
        return tuple(model.id for model in _Models.model_validate_json(content).data)
    except ValidationError:
        return None


def _cause(error: openai.APIConnectionError) -> str:
    """Return the reason in the words of the system: the innermost cause that knows one."""
    cause: BaseException | None = error
    found = type(error.__cause__ or error).__name__
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            found = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return found


def _hint(error: ReasoningError) -> str:
    if isinstance(error, BadRequest):
        return "check llm.model and the key"
    if isinstance(error, RateLimited):
        return "the key's quota or rate is used up: wait, or raise it"
    return "the server is there, but the model does not answer: look at the server's own logs"
