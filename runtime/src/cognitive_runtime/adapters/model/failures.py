"""Classification of failed model calls."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

import openai

from cognitive_runtime.adapters.model.accounts import is_key_refused, is_quota_exceeded
from cognitive_runtime.adapters.model.refusals import has_no_provider
from cognitive_runtime.adapters.model.report import ServerReport, report_of
from cognitive_runtime.domain import (
    BadRequest,
    ContentRefused,
    ContextLengthExceeded,
    CredentialsRefused,
    ModelTimeout,
    ModelUnavailable,
    QuotaExceeded,
    RateLimited,
    ReasoningError,
)

_CONTEXT_LENGTH: Final = re.compile(
    r"context_length_exceeded|exceed_context_size|context (length|window|size|limit)|maximum (context|model|prompt) len"
    r"|max_model_len|prompt is too long|input (is|was) too long|reduce the length|longer than the maximum"
    r"|input tokens? (count )?(\(\d+\) )?exceeds?|range of input length|`inputs` (must have less than|tokens \+)",
    re.IGNORECASE,
)
"""Messages of OpenAI, Azure, vLLM, llama.cpp, TGI, Anthropic, Google, xAI and Alibaba for an exceeded window."""
_CONTEXT_STATUS: Final = (0, 400, 413, 422, 500)
"""Status codes for an exceeded context window; 500 is that of older llama.cpp."""
_REFUSED: Final = re.compile(
    r"content_filter|content_policy|ContentPolicyViolation|ResponsibleAIPolicyViolation|data_?inspection_?failed"
    r"|content management policy|content filtering policy|content exists risk|inappropriate content",
    re.IGNORECASE,
)
"""Codes and messages of OpenAI, Azure, LiteLLM, Alibaba, Anthropic and DeepSeek for refused content."""
_MODERATED: Final = re.compile(
    r"flagged|moderation|(content|usage) polic(y|ies)|violates usage guidelines", re.IGNORECASE
)
"""Messages of OpenRouter, OpenAI and xAI for refused content, with HTTP 400 or 403."""
_SETTINGS: Final = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "max_completion_tokens", "model")
"""Settings that may be named in an error message. No other text of a server is repeated."""
_TRANSIENT: Final[Mapping[int, type[ReasoningError]]] = {408: ModelTimeout, 429: RateLimited, 449: RateLimited}
_PLAIN_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def classify(error: openai.APIError, server: str, model: str) -> ReasoningError:
    """Return the domain error of a failed call.

    The message names the server and the model. It never repeats the server's text, which can echo prompts and keys.
    """
    if isinstance(error, openai.APITimeoutError):
        return ModelTimeout(f"The model server {server} did not answer in time.")
    if isinstance(error, openai.APIConnectionError):
        return ModelUnavailable(f"The model server {server} cannot be reached.")
    if isinstance(error, openai.APIStatusError):
        found = classify_report(report_of(error), server, model)
        found.retry_after_s = parse_retry_after(error.response.headers) if found.retryable else None
        return found
    return classify_report(report_of(error), server, model)


def classify_report(report: ServerReport, server: str, model: str) -> ReasoningError:
    """Return the domain error of a failure that the server reported, with or without HTTP 200."""
    if is_quota_exceeded(report):
        return QuotaExceeded(
            f"The account's quota or credit at the model server {server} is used up (HTTP {report.status}). "
            "Check the plan and the billing of the account that the API key belongs to."
        )
    if report.status in _CONTEXT_STATUS and _CONTEXT_LENGTH.search(report.text):
        return ContextLengthExceeded(f"Prompt and answer do not fit the context window of model {model!r}.")
    if _is_content_refused(report):
        return ContentRefused(f"The content filter of the model server {server} refused the request.")
    transient = ModelUnavailable if report.status >= 500 else _TRANSIENT.get(report.status)
    if transient:
        return transient(f"The model server {server} answered HTTP {report.status}.")
    return _classify_refusal(report, server, model)


def _is_content_refused(report: ServerReport) -> bool:
    if report.status >= 500 or report.status == 429:
        return False
    return bool(_REFUSED.search(report.text) or (report.status in (400, 403) and _MODERATED.search(report.text)))


def _classify_refusal(report: ServerReport, server: str, model: str) -> ReasoningError:
    if report.status < 300:
        return ModelUnavailable(f"The model server {server} answered something that is not a chat completion.")
    if is_key_refused(report):
        return CredentialsRefused(
            f"The model server {server} refused the API key (HTTP {report.status}). "
            "Check the Secret that the model's apiKeySecretRef names."
        )
    if has_no_provider(report):
        return BadRequest(f"No provider of model {model!r} at {server} accepts the request's parameters (HTTP 404).")
    if report.status == 404:
        return BadRequest(f"The model server {server} knows no model {model!r} (HTTP 404).")
    what = f"the setting {report.param}" if report.param in _SETTINGS else "the request"
    return BadRequest(f"The model server {server} refused {what} (HTTP {report.status}{_code(report.code)}).")


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


def _code(code: str) -> str:
    return f", {code}" if _PLAIN_CODE.fullmatch(code) else ""
