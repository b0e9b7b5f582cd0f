"""Classes of the failures that model servers report."""

from typing import Any

import pytest

from cognitive_runtime.adapters.model.failures import classify_report
from cognitive_runtime.adapters.model.report import find_report, read_report


def google(status: int, name: str, message: str, *quotas: str) -> tuple[int, Any]:
    details = [{"@type": "QuotaFailure", "violations": [{"quotaId": each} for each in quotas]}] if quotas else []
    return status, [{"error": {"code": status, "message": message, "status": name, "details": details}}]


GOOGLES = "You exceeded your current quota, please check your plan and billing details."
PER_DAY, PER_MINUTE = "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "GenerateRequestsPerMinutePerProject"
QUOTA: list[tuple[int, Any]] = [
    (429, {"error": {"message": GOOGLES, "type": "insufficient_quota", "code": "insufficient_quota"}}),
    (429, {"error": {"message": GOOGLES, "type": "None", "code": "429"}}),
    (429, {"error": {"message": "The quota of this account is used up; see its plan and billing."}}),
    (400, {"error": {"message": "Billing hard limit", "code": "billing_hard_limit_reached"}}),
    (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}),
    (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}),
    (402, {"error": {"message": "This request requires more credits, or fewer max_tokens.", "code": 402}}),
    (402, ""),
    (403, {"error": "Your team has used all available credits or reached its monthly spending limit."}),
    (403, {"error": {"message": "Out of call volume quota. It will be replenished in 6 days."}}),
    (401, {"error": {"type": "insufficient_quota", "message": "x"}}),
    google(429, "RESOURCE_EXHAUSTED", f"{GOOGLES} Please retry in 3h.", PER_DAY),
    google(429, "RESOURCE_EXHAUSTED", GOOGLES, PER_MINUTE, PER_DAY),
    google(429, "RESOURCE_EXHAUSTED", GOOGLES),
    (200, {"error": {"message": "x", "code": "insufficient_quota"}}),
    (200, {"error": {"message": "x", "code": 402}}),
    # Anthropic, LiteLLM, OpenRouter, Fireworks, RapidAPI, ChatGPT, one-api, Zhipu
    (400, {"error": {"message": "You have reached your specified API usage limits. Access returns on 2026-12-01."}}),
    (400, {"error": {"message": "Budget has been exceeded! Current cost: 10.2", "type": "budget_exceeded"}}),
    (429, {"error": {"message": f"litellm.RateLimitError: OpenAIException - {GOOGLES}", "code": "429"}}),
    (403, {"error": {"message": "Key limit exceeded (total limit). Manage it in the settings", "code": 403}}),
    (412, {"error": {"message": "Account x is suspended, possibly due to reaching the monthly spending limit"}}),
    (429, {"message": "You have exceeded the MONTHLY quota for Requests. Upgrade your plan."}),
    (429, {"error": {"message": "The usage limit has been reached", "type": "usage_limit_reached"}}),
    (403, {"error": {"message": "x", "code": "insufficient_user_quota"}}),
    (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包"}}),
]
RATE: list[tuple[int, Any]] = [
    (429, {"error": {"message": "Too many requests", "type": "requests", "code": "rate_limit_exceeded"}}),
    (429, {"error": {"message": "Rate limit reached: 3 / min. Try again in 20s. Add a payment method to raise it."}}),
    (429, {"error": {"message": "Rate limit reached on requests per day (RPD). Try again in 7m."}}),
    (429, {"error": {"message": "You have exceeded the call rate limit of your current pricing tier."}}),
    (429, ""),
    google(429, "RESOURCE_EXHAUSTED", f"{GOOGLES} Please retry in 30s.", PER_MINUTE),
    google(429, "RESOURCE_EXHAUSTED", f"{GOOGLES} Please retry in 30s."),
    google(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    (200, {"error": {"message": "Rate limit exceeded", "code": 429}}),
    (200, {"error": {"message": "x", "type": "rate_limit_error"}}),
    (200, {"error": "Too many requests"}),
    (200, {"code": 429, "message": "x"}),
    (200, {"status": "449", "msg": "You exceeded your current rate limit", "body": None}),
    (429, {"error": {"message": "API key limit exceeded: 10 requests"}}),
    (429, {"error": {"message": "litellm.RateLimitError: Rate limit reached: 3 / min. See the billing page."}}),
    (200, {"object": "error", "message": "x", "code": "429"}),
    (200, [{"error": {"code": 429, "message": "x", "status": "RESOURCE_EXHAUSTED"}}]),
]
KEY: list[tuple[int, Any]] = [
    (401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}),
    (401, ""),
    (403, {"error": {"type": "permission_error", "message": "Your API key lacks the permission"}}),
    (403, ""),
    google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    google(400, "INVALID_ARGUMENT", "API key expired."),
    (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: x"}),
    (200, {"code": 401, "message": "x"}),
    google(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
    (200, {"error": {"message": "x", "type": "authentication_error"}}),
    (200, {"error": {"message": "Invalid API key"}}),
]
OTHER: list[tuple[int, Any, str]] = [
    (
        403,
        {"error": {"code": "unsupported_country_region_territory", "message": "Country not supported"}},
        "BadRequest",
    ),
    (*google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."), "BadRequest"),
    (403, {"error": {"code": "model_not_found", "message": "no access"}}, "BadRequest"),
    (403, "<html><title>Attention Required! | Cloudflare</title></html>", "BadRequest"),
    (403, {"error": {"code": "content_policy_violation", "message": "x"}}, "ContentRefused"),
    (403, {"error": {"code": 403, "message": "The input was flagged by moderation"}}, "ContentRefused"),
    (400, {"error": {"code": "content_filter", "message": "x"}}, "ContentRefused"),
    (
        400,
        {"error": {"message": "Your prompt was flagged as violating our usage policy", "code": "x"}},
        "ContentRefused",
    ),
    (400, {"error": {"message": "due to Azure OpenAI's content management policy"}}, "ContentRefused"),
    (400, {"error": {"message": "Output blocked by content filtering policy"}}, "ContentRefused"),
    (400, {"error": {"message": "Content Exists Risk"}}, "ContentRefused"),
    (400, {"error": {"code": "data_inspection_failed", "message": "x"}}, "ContentRefused"),
    (403, {"error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}, "ContentRefused"),
    (404, {"error": {"message": "No endpoints found matching your data policy"}}, "BadRequest"),
    (400, {"error": {"message": "maximum context length is 4096"}}, "ContextLengthExceeded"),
    (400, {"error": {"message": "input length and `max_tokens` exceed context limit"}}, "ContextLengthExceeded"),
    (
        *google(400, "INVALID_ARGUMENT", "The input token count (12) exceeds the maximum number"),
        "ContextLengthExceeded",
    ),
    (400, {"error": "This model's maximum prompt length is 131072"}, "ContextLengthExceeded"),
    (400, {"error": {"message": "Range of input length should be [1, 30720]"}}, "ContextLengthExceeded"),
    (422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}, "ContextLengthExceeded"),
    (422, {"error": "`inputs` must have less than 4095 tokens"}, "ContextLengthExceeded"),
    (500, {"error": {"message": "the request exceeds the available context size"}}, "ContextLengthExceeded"),
    (200, {"error": {"message": "maximum context length is 4096", "code": 400}}, "ContextLengthExceeded"),
    (200, {"error": {"message": "overloaded", "code": 503}}, "ModelUnavailable"),
    (200, {"error": {"type": "overloaded_error", "message": "x"}}, "ModelUnavailable"),
    (200, {"error": {"type": "invalid_request_error", "message": "x"}}, "BadRequest"),
    (200, {"error": {"code": "deadline_exceeded", "message": "x"}}, "ModelTimeout"),
    (200, {"error": {"message": "boom"}}, "ModelUnavailable"),
    (200, {"error": {"code": 7, "message": "x"}}, "ModelUnavailable"),
    (408, "", "ModelTimeout"),
    (529, {"error": {"type": "overloaded_error"}}, "ModelUnavailable"),
    (404, {"error": {"message": "x"}}, "BadRequest"),
    (307, "", "BadRequest"),
]
CASES = (
    [(*case, "QuotaExceeded") for case in QUOTA]
    + [(*case, "RateLimited") for case in RATE]
    + [(*case, "CredentialsRefused") for case in KEY]
    + OTHER
)


@pytest.mark.parametrize(("status", "body", "error_type"), CASES)
def test_a_failure_has_the_class_that_it_names(status: int, body: Any, error_type: str) -> None:
    report = find_report(body) if status == 200 else read_report(body, status)
    assert report is not None
    error = classify_report(report, "https://server/v1", "m")
    assert error.error_type == error_type
    assert "billing details" not in str(error)


@pytest.mark.parametrize("error_type", ["QuotaExceeded", "CredentialsRefused"])
def test_failures_of_an_account_are_permanent(error_type: str) -> None:
    (status, body), *_ = QUOTA if error_type == "QuotaExceeded" else KEY
    assert not classify_report(read_report(body, status), "s", "m").retryable


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"code": 7},
        {"choices": [{}], "code": 500},
        {"status": "done"},
        [],
        [1],
        None,
        "error",
        {"error": None},
        {"error": ""},
    ],
)
def test_a_body_without_an_error_is_no_failure(body: Any) -> None:
    assert find_report(body) is None


def test_a_gateway_without_a_provider_for_the_parameters_knows_the_model() -> None:
    """OpenRouter answers HTTP 404 in both cases."""
    refused = read_report({"error": {"message": "No endpoints found that support tool use.", "code": 404}}, 404)
    unknown = read_report({"error": {"message": "No endpoints found for x/y.", "code": 404}}, 404)
    assert str(classify_report(refused, "u", "m")) == (
        "No provider of model 'm' at u accepts the request's parameters (HTTP 404)."
    )
    assert str(classify_report(unknown, "u", "m")) == "The model server u knows no model 'm' (HTTP 404)."
