"""Refusals of the API server as refusals of a call."""

import json
from dataclasses import dataclass
from typing import Final

from cognitive_runtime.domain.call_refused import CallRefused

_TEXT_CHARS: Final = 200
"""Length of an answer that is no Kubernetes status, as a message shows it."""


@dataclass(frozen=True)
class _Cause:
    error_type: str
    retryable: bool = False


_CAUSES: Final = {
    400: _Cause("InvalidRequest"),
    401: _Cause("Unauthorized"),
    403: _Cause("Forbidden"),
    404: _Cause("NotFound"),
    409: _Cause("Conflict", retryable=True),
    410: _Cause("Expired", retryable=True),
    413: _Cause("BodyTooLarge"),
    422: _Cause("InvalidRequest"),
    429: _Cause("TooManyRequests", retryable=True),
}
_UNAVAILABLE: Final = _Cause("ApiUnavailable", retryable=True)
_STORE_TOO_LARGE: Final = ("request is too large", "message larger than max")
"""Parts of etcd's refusals of a large object, which the API server passes on with status 500."""


def refusal(status: int, retry_after: str | None, content: bytes) -> CallRefused:
    """Return the refusal of an answer from 300 on, with the API server's own message."""
    cause = _cause(status, _message(content))
    seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
    message = f"the API server refuses the bearer token: {_message(content)}" if status == 401 else _message(content)
    return CallRefused(cause.error_type, message, retryable=cause.retryable, retry_after_s=seconds)


def _cause(status: int, message: str) -> _Cause:
    if status == 500 and any(each in message for each in _STORE_TOO_LARGE):
        return _CAUSES[413]
    return _CAUSES.get(status, _Cause("InvalidRequest") if 400 <= status < 500 else _UNAVAILABLE)


def unreachable(error: Exception) -> CallRefused:
    """Return the refusal of a request without an answer."""
    cause = type(error).__name__
    message = f"no answer of the API server ({cause}); check the server's connection to it"
    return CallRefused(_UNAVAILABLE.error_type, message, retryable=True)


def _message(content: bytes) -> str:
    try:
        found = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = content[:_TEXT_CHARS].decode("utf-8", "replace")
    return str(found)
