"""Classification of failed model calls."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, Final

import openai

from cognitive_runtime.domain import (
    BadRequest,
    ContentRefused,
    ContextLengthExceeded,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    ReasoningError,
)

_CONTEXT_LENGTH: Final = re.compile(
    r"context_length_exceeded|exceed_context_size|context (length|window|size)|maximum (context|model) len"
    r"|max_model_len|prompt is too long|input (is|was) too long|reduce the length|longer than the maximum",
    re.IGNORECASE,
)
"""Messages of OpenAI, Azure, vLLM, llama.cpp and TGI for an exceeded context window."""
_REFUSED: Final = re.compile(r"content_filter|content_policy|ResponsibleAIPolicyViolation", re.IGNORECASE)
_KEY_REFUSED: Final = re.compile(r"API_KEY_INVALID|API key not valid", re.IGNORECASE)
"""Messages of Google for an invalid key, with HTTP 400."""
_SETTINGS: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_completion_tokens", "model")
"""Settings that may be named in an error message. No other text of a server is repeated."""
_PLAIN_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def classify(error: openai.APIError, server: str, model: str) -> ReasoningError:
    """Return the domain error of a failed call.

    The message names the server and the model. It never repeats the server's text, which can echo prompts and keys.
    """
    if isinstance(error, openai.APITimeoutError):
        return ModelTimeout(f"The model server {server} did not answer in time.")
    if isinstance(error, openai.APIStatusError):
        return _classify_status(error, server, model)
    if isinstance(error, openai.APIConnectionError):
        return ModelUnavailable(f"The model server {server} cannot be reached.")
    return _classify_report(error, server, model)


def _classify_report(error: openai.APIError, server: str, model: str) -> ReasoningError:
    """Return the domain error of a failure that the server reported within its answer."""
    text = f"{error.code} {error.type} {error.message}"
    if _CONTEXT_LENGTH.search(text):
        return ContextLengthExceeded(f"Prompt and answer do not fit the context window of model {model!r}.")
    if _REFUSED.search(text):
        return ContentRefused(f"The content filter of the model server {server} refused the request.")
    if "429" in str(error.code) or "rate_limit" in text:
        return RateLimited(f"The model server {server} broke off its answer: too many requests.")
    return ModelUnavailable(f"The model server {server} answered something that is not a chat completion.")


def _classify_status(error: openai.APIStatusError, server: str, model: str) -> ReasoningError:
    message = f"The model server {server} answered HTTP {error.status_code}."
    retry_after_s = parse_retry_after(error.response.headers)
    if error.status_code == 429:
        return RateLimited(message, retry_after_s=retry_after_s)
    if error.status_code == 408:
        return ModelTimeout(message)
    if error.status_code >= 500:
        return ModelUnavailable(message, retry_after_s=retry_after_s)
    return _classify_refusal(error, server, model)


def _classify_refusal(error: openai.APIStatusError, server: str, model: str) -> ReasoningError:
    status, text = error.status_code, f"{error.code} {error.type} {error.message} {error.body}"
    if status in (400, 413, 422) and _CONTEXT_LENGTH.search(text):
        return ContextLengthExceeded(f"Prompt and answer do not fit the context window of model {model!r}.")
    if _REFUSED.search(text):
        return ContentRefused(f"The content filter of the model server {server} refused the request.")
    if status in (401, 403) or _KEY_REFUSED.search(text):
        return BadRequest(f"The model server {server} refused the API key (HTTP {status}).")
    if status == 404:
        return BadRequest(f"The model server {server} knows no model {model!r} (HTTP 404).")
    what = f"the setting {error.param}" if error.param in _SETTINGS else "the request"
    return BadRequest(f"The model server {server} refused {what} (HTTP {status}{_code(error.code)}).")


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, or None if there is no valid value."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    return seconds if seconds is not None or text is None else _seconds_until(text)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if isfinite(number) else None


def _seconds_until(http_date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(http_date)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _code(code: Any) -> str:
    return f", {code}" if isinstance(code, str) and _PLAIN_CODE.fullmatch(code) else ""
