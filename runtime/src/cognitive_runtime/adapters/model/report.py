"""Report of a failure by a model server, in the forms that servers and gateways use."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import openai

_MAX_CHARS: Final = 8192
"""Characters of a report that are read. The rest can only be an echo of the request."""
_MESSAGES: Final = ("message", "detail", "msg", "errors")
"""Fields that hold the message: of OpenAI, FastAPI, gateways and Cloudflare."""
_STATUSES: Final = ("code", "status")
"""Fields that hold the status at the top of a gateway's report."""
_DETAILS: Final = ("details", "metadata")
"""Further fields of a report: Google's quotas, and the provider's own report behind OpenRouter."""
_LOCATION: Final = re.compile(r"\bloc\W{1,8}body[^\w)\]]{1,8}(\w{1,64})")
"""Location of a refused field in a report of pydantic, as JSON, as text of Python, or as JSON within a text."""
_STATUS_OF_WORD: Final[Mapping[str, int]] = {
    "rate_limit": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "insufficient_quota": 429,
    "overloaded": 503,
    "unavailable": 503,
    "authentication": 401,
    "unauthenticated": 401,
    "invalid_api_key": 401,
    "permission": 403,
    "not_found": 404,
    "invalid_request": 400,
    "invalid_argument": 400,
    "bad_request": 400,
    "badrequest": 400,
    "timeout": 408,
    "deadline_exceeded": 408,
    "server_error": 500,
    "internal": 500,
    "api_error": 500,
}
"""Status that a code, type or status names in words: of OpenAI, Anthropic and Google."""
_STATUS_OF_PHRASE: Final[Mapping[str, int]] = {
    "rate limit": 429,
    "too many requests": 429,
    "invalid api key": 401,
    "incorrect api key": 401,
}
"""Status that a message names, if neither code nor type does."""


@dataclass(frozen=True)
class ServerReport:
    """Failure of a call, as the server describes it."""

    status: int
    """Status of HTTP, or the one that the report names if it came with HTTP 200. 0: unknown."""
    code: str = ""
    kind: str = ""
    param: str = ""
    message: str = ""
    """Text of the server. It can echo prompts and keys, and is never shown."""
    fields: tuple[str, ...] = ()
    """Fields of the request that the report locates."""

    @property
    def text(self) -> str:
        """Code, type and message in one text, to look for words in."""
        return f"{self.code} {self.kind} {self.message}"


class ReportedFailure(Exception):
    """The server reported a failure within a response of HTTP 200."""

    def __init__(self, report: ServerReport) -> None:
        super().__init__("the server reported a failure")
        self.report = report


def report_of(error: openai.APIError) -> ServerReport:
    """Return the report of a failed call."""
    status = error.status_code if isinstance(error, openai.APIStatusError) else 0
    body = error.body if error.body is not None else error.message
    return read_report(body, status)


def find_report(body: Any) -> ServerReport | None:
    """Return the report within the body of a response of HTTP 200, or None if there is none."""
    found = body[0] if isinstance(body, list) and body else body
    if not isinstance(found, Mapping):
        return None
    has_error = found.get("error") or found.get("object") == "error"
    has_status = not found.get("choices") and any(_is_http_error(_word(found.get(name))) for name in _STATUSES)
    return read_report(body, 0) if has_error or has_status else None


def read_report(body: Any, status: int) -> ServerReport:
    """Return the report within the body of an error, or within its field ``error``."""
    found = body[0] if isinstance(body, list) and len(body) == 1 else body
    if isinstance(found, Mapping) and found.get("error"):
        found = found["error"]
    if not isinstance(found, Mapping):
        found = {"message": found}
    message = _text(next((found[name] for name in _MESSAGES if found.get(name)), ""))
    details = " ".join(_text(found[name]) for name in _DETAILS if found.get(name))
    code, kind = _word(found.get("code")), " ".join(filter(None, map(_word, (found.get("type"), found.get("status")))))
    return ServerReport(
        status=status or _named_status(code, kind, message),
        code=code,
        kind=kind,
        param="" if _word(found.get("param")).isdecimal() else _word(found.get("param")),
        message=f"{message} {details}".strip()[:_MAX_CHARS],
        fields=tuple(_LOCATION.findall(message[:_MAX_CHARS])),
    )


def _named_status(code: str, kind: str, message: str) -> int:
    named = next((word for word in (code, *kind.split()) if _is_http_error(word)), None)
    if named:
        return int(named)
    return _lookup(_STATUS_OF_WORD, f"{code} {kind}") or _lookup(_STATUS_OF_PHRASE, message[:_MAX_CHARS])


def _is_http_error(code: str) -> bool:
    return len(code) == 3 and code.isdecimal() and code[0] in "45"


def _lookup(statuses: Mapping[str, int], text: str) -> int:
    lowered = text.lower()
    return next((status for words, status in statuses.items() if words in lowered), 0)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _word(value: Any) -> str:
    """Return a short field as text. Gateways write an absent one as ``None``."""
    text = "" if value is None or isinstance(value, Mapping | list) else str(value)
    return "" if text in ("None", "null") else text[:128]
