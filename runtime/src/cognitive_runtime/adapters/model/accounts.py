"""Failures of an account at a provider: its quota is used up, or its key is refused."""

import re
from typing import Final

from cognitive_runtime.adapters.model.report import ServerReport

_QUOTA_CODE: Final = re.compile(
    r"insufficient_(user_)?quota|exceeded_current_quota|billing_hard_limit_reached|billing_not_active"
    r"|insufficient_(balance|credits?|funds)|credits?_exhausted|arrearage|budget_exceeded|usage_limit_reached",
    re.IGNORECASE,
)
"""Codes and types of OpenAI, Moonshot, DeepSeek, gateways (LiteLLM, one-api) and Alibaba."""
_QUOTA_TEXT: Final = re.compile(
    r"credit balance is too low|insufficient (quota|balance|credits?|funds)|out of call volume quota"
    r"|spending limit|used all available credits|(monthly|included|prepaid|purchased) credits"
    r"|(requires|purchase|buy|add) more credits|account is not active|(monthly|daily|prepaid) quota"
    r"|budget has been exceeded|ExceededBudget|key limit exceeded \(|specified (api |workspace )?usage limits"
    r"|余额不足|额度不足|欠费",
    re.IGNORECASE,
)
"""Messages of Anthropic, DeepSeek, OpenRouter, Azure, xAI, Hugging Face, OpenAI, RapidAPI, LiteLLM and Zhipu."""
_QUOTA_STATUS: Final = (0, 400, 401, 403, 412, 429)
"""Status codes for a used up quota; 412 is that of Fireworks. HTTP 402 has no other meaning."""
_PER_DAY: Final = re.compile(r"per[ _-]?day", re.IGNORECASE)
_RATE: Final = re.compile(
    r"per[ _-]?(second|minute|min\b|hour)|/ ?(s|min|minute|hour)\b|(try again|retry) (in|after)"
    r"|rate[ _-]?limit(?!error)|retryDelay|\b[RT]P[MD]\b",
    re.IGNORECASE,
)
"""Words for a rate. ``RateLimitError`` is none: LiteLLM gives this class to every 429."""
_ACCOUNT: Final = re.compile(
    r"billing|credits?\b|balance|payment|prepaid|current quota|quota.{0,60}(used up|exhausted)", re.IGNORECASE
)
_INVALID_KEY: Final = re.compile(
    r"API_KEY_INVALID|invalid_api_key|API key (not valid|expired)|(incorrect|invalid) API key", re.IGNORECASE
)
"""Messages of Google and xAI for an invalid key, with HTTP 400."""
_NO_KEY_PROBLEM: Final = re.compile(
    r"\b(region|country|countries|territory|location)\b|unsupported_country|polic(y|ies)|moderation|flagged|safety"
    r"|model_not_found|access to (the )?model|cloudflare|<html",
    re.IGNORECASE,
)
"""Causes of HTTP 403 that another key does not change: regions, policies, models without access, firewalls."""


def is_quota_exceeded(report: ServerReport) -> bool:
    """Return True if the account's quota or credit is used up, so that waiting for a minute does not help.

    Sources: OpenAI's error codes (429 ``insufficient_quota`` against ``rate_limit_exceeded``); Anthropic's 400 for a
    low credit balance; HTTP 402 of DeepSeek and OpenRouter; Google's 429 ``RESOURCE_EXHAUSTED``, whose ``quotaId``
    tells a day's quota from a minute's.
    """
    if report.status == 402:
        return True
    if report.status not in _QUOTA_STATUS:
        return False
    if "RESOURCE_EXHAUSTED" in report.kind:
        return bool(_PER_DAY.search(report.message)) or _names_account_alone(report)
    if _QUOTA_CODE.search(f"{report.code} {report.kind}") or _QUOTA_TEXT.search(report.message):
        return True
    return report.status == 429 and _names_account_alone(report)


def is_key_refused(report: ServerReport) -> bool:
    """Return True if the server refused the API key."""
    if report.status == 401 or (report.status == 400 and _INVALID_KEY.search(report.text)):
        return True
    return report.status == 403 and not _NO_KEY_PROBLEM.search(report.text)


def _names_account_alone(report: ServerReport) -> bool:
    """Return True if the message names the account's credit, and the report names no rate limit."""
    return bool(_ACCOUNT.search(report.message)) and not _RATE.search(report.text)
