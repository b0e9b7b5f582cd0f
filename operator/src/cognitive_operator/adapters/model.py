"""Asks an OpenAI-compatible endpoint whether it serves (port ``ModelProbe``)."""

import re
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

from cognitive_operator.adapters.web import Answer, Question, WebClient, WebError, shown
from cognitive_operator.api.conditions import Reason
from cognitive_operator.ports import ModelSeen

_MAX_BYTES: Final = 4 * 1024 * 1024
_MAX_MODELS: Final = 1000
_VERSION: Final = re.compile(r"v\d+[a-z0-9]*")
_NO_LIST: Final = (404, 405, 429, 501)
"""The server is there, but does not list its models, or not now."""


class ModelEndpoint:
    """Asks with the agent's own credentials; never raises, and never repeats the key."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._web = WebClient(proxies=True)

    async def __aenter__(self) -> Self:
        await self._web.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._web.__aexit__(kind, error, trace)

    async def check(self, endpoint: str, api_key: str | None) -> ModelSeen:
        """Return what the endpoint answers to ``GET …/models``."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            url = models_url(endpoint)
            answer = await self._web.ask(Question("GET", url, self._timeout_s, _MAX_BYTES, headers=headers))
        except (WebError, ValueError) as error:
            return ModelSeen(ok=False, reason=Reason.MODEL_UNREACHABLE, message=str(error))
        return _seen(shown(url), answer, has_key=bool(api_key))


def models_url(endpoint: str) -> str:
    """Return where an endpoint lists its models; ``/v1`` is added unless its path names a version already.

    Raises:
        ValueError: The endpoint is not an HTTP URL.
    """
    parts = urlsplit(endpoint.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{shown(endpoint)}: not an HTTP URL")
    path = parts.path.rstrip("/")
    if not any(_VERSION.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/models", parts.query, ""))


def _seen(url: str, answer: Answer, *, has_key: bool) -> ModelSeen:
    if answer.status in (401, 403):
        found = "the API key" if has_key else "a request without an API key"
        message = f"{url} rejects {found}: HTTP {answer.status}"
        return ModelSeen(ok=False, reason=Reason.CREDENTIALS_REJECTED, message=message)
    if answer.status in _NO_LIST:
        message = f"{url} answers HTTP {answer.status}: it serves, but lists no models"
        return ModelSeen(ok=True, reason=Reason.AVAILABLE, message=message)
    models = _models(answer.json) if answer.status == 200 else None
    if models is None:
        message = f"{url} answers HTTP {answer.status}, expected a list of models"
        return ModelSeen(ok=False, reason=Reason.MODEL_UNREACHABLE, message=message)
    return ModelSeen(ok=True, reason=Reason.AVAILABLE, message=f"{url} lists {len(models)} models", models=models)


def _models(body: Any) -> tuple[str, ...] | None:
    """Return the ids of an OpenAI list of models, None if it is no such list."""
    listed = body.get("data") if isinstance(body, dict) else None
    if not isinstance(listed, list):
        return None
    found = (item.get("id") for item in listed[:_MAX_MODELS] if isinstance(item, dict))
    return tuple(model for model in found if isinstance(model, str))
