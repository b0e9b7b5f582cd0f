"""Probe of model endpoints over HTTP (port ``ModelProbe``)."""

import time
from typing import Any, Final

from cognitive_operator.adapters.http_client import HttpClient, HttpError, HttpRequest, HttpResponse, redacted
from cognitive_operator.adapters.model.inference import inference_request, inference_result
from cognitive_operator.adapters.model.url import models_url
from cognitive_operator.api.conditions import Reason
from cognitive_operator.ports.model import InferenceResult, ModelProbeResult, ModelTarget

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_MODELS: Final = 1000
_NO_LIST: Final = (404, 405, 429, 501)
"""Answers of a server that is up, but does not list its models, or not now."""
_ANTHROPIC_VERSION: Final = "2023-06-01"
_KEY_REFUSED: Final = ("API_KEY_INVALID", "API key not valid")
"""Texts of Google's answer to a wrong key, with HTTP 400."""


class HttpModelProbe:
    """Probes with the agent's own credentials; never raises, and no message contains the key."""

    def __init__(self, http: HttpClient, timeout_s: float = 5.0) -> None:
        self._http = http
        self._timeout_s = timeout_s

    async def check(self, target: ModelTarget, api_key: str | None) -> ModelProbeResult:
        """Return the result of ``GET …/models``."""
        try:
            url = models_url(target)
            headers = _credentials(target.provider, api_key)
            answer = await self._http.send(HttpRequest("GET", url, self._timeout_s, _MAX_BYTES, headers=headers))
        except (HttpError, ValueError) as error:
            return ModelProbeResult(ok=False, reason=Reason.MODEL_UNREACHABLE, message=str(error))
        return _result(target, redacted(url), answer, has_key=bool(api_key))

    async def infer(self, target: ModelTarget, model: str, api_key: str | None, timeout_s: float) -> InferenceResult:
        """Run a small inference on a vLLM server and measure its speed."""
        chunks_s: list[float] = []
        request = inference_request(target, model, _credentials(target.provider, api_key), timeout_s)
        started_s = time.monotonic()
        try:
            answer = await self._http.send(request, lambda: chunks_s.append(time.monotonic() - started_s))
        except HttpError as error:
            return InferenceResult(ok=False, message=str(error))
        return inference_result(answer, chunks_s or [time.monotonic() - started_s])


def _credentials(provider: str, api_key: str | None) -> dict[str, str]:
    """Return the header with the key that the provider's list of models requires."""
    if not api_key:
        return {}
    if provider == "azure":
        return {"api-key": api_key}
    if provider == "anthropic":  # its OpenAI-compatible API has no list of models, its own API has
        return {"x-api-key": api_key, "anthropic-version": _ANTHROPIC_VERSION}
    return {"Authorization": f"Bearer {api_key}"}


def _result(target: ModelTarget, url: str, answer: HttpResponse, *, has_key: bool) -> ModelProbeResult:
    if answer.status in (401, 403) or (answer.status == 400 and any(text in answer.text for text in _KEY_REFUSED)):
        found = "the API key" if has_key else "a request without an API key"
        message = f"{url} rejects {found}: HTTP {answer.status}"
        return ModelProbeResult(ok=False, reason=Reason.CREDENTIALS_REJECTED, message=message)
    if target.provider == "azure" and answer.status in (400, 404):
        version = f"apiVersion {target.api_version}" if target.api_version else "the API without apiVersion"
        message = (
            f"{url} answers HTTP {answer.status}: it is not an Azure OpenAI resource, or does not support {version}"
        )
        return ModelProbeResult(ok=False, reason=Reason.MODEL_UNREACHABLE, message=message)
    if answer.status in _NO_LIST:
        message = f"{url} answers HTTP {answer.status}: it is up, but does not list models"
        return ModelProbeResult(ok=True, reason=Reason.AVAILABLE, message=message)
    models = _models(answer.json) if answer.status == 200 else None
    if models is None:
        message = f"{url} answers HTTP {answer.status}, expected a list of models"
        return ModelProbeResult(ok=False, reason=Reason.MODEL_UNREACHABLE, message=message)
    return ModelProbeResult(
        ok=True,
        reason=Reason.AVAILABLE,
        message=f"{url} lists {len(models)} model{'' if len(models) == 1 else 's'}",
        models=models,
    )


def _models(body: Any) -> tuple[str, ...] | None:
    """Return the ids of an OpenAI list of models, None for any other content."""
    listed = body.get("data") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return None
    found = (item.get("id") for item in listed[:_MAX_MODELS] if isinstance(item, dict))
    return tuple(model for model in found if isinstance(model, str))
