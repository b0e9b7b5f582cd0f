"""JSON replies and their status codes."""

import json
from collections.abc import Mapping
from math import ceil
from typing import Any, Final

from starlette.responses import JSONResponse

STATUS_CODES: Final = {
    "InvalidRequest": 422,
    "ContextLengthExceeded": 422,
    "BudgetExceeded": 422,
    "UnknownIncident": 404,
    "RateLimited": 429,
    "BadRequest": 502,
    "ContentRefused": 502,
    "CredentialsRefused": 502,
    "EmptyResponse": 502,
    "OutputInvalid": 502,
    "NoProgress": 502,
    "OutputParseError": 502,
    "ToolsUnavailable": 503,
    "QuotaExceeded": 502,
    "TruncatedResponse": 502,
    "Cancelled": 503,
    "CredentialsNotMounted": 503,
    "InputUnavailable": 503,
    "LeaseLost": 503,
    "LedgerUnavailable": 503,
    "ModelUnavailable": 503,
    "DeadlineExceeded": 504,
    "ModelTimeout": 504,
    "InternalError": 500,
}
"""Status code of each error type: 4xx for the caller, 502 for an answer of the model that is of no use, 503 and 504 for
a model that is not available or too slow."""

CLUSTER_STATUS_CODES: Final = {
    "Unauthorized": 401,
    "Forbidden": 403,
    "AgentNotFound": 404,
    "NotFound": 404,
    "Conflict": 409,
    "TaskDeleted": 410,
    "BodyTooLarge": 413,
    "InputInvalid": 422,
    "InputTooLarge": 422,
    "QueueFull": 429,
    "TooManyRequests": 429,
    "ResponseInvalid": 502,
    "ResultLost": 502,
    "ResultTooLarge": 502,
    "ApiUnavailable": 503,
    "ExecutorLost": 503,
    "JobFailed": 503,
    "QueueTimeout": 503,
    "TaskNotFinished": 504,
}
"""Status code of each further cause for which a cluster has no result. Those of the API server stay as they are."""


class Reply(JSONResponse):
    """JSON reply. Unpaired surrogates, which UTF-8 cannot encode, become question marks."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        )


def result_reply(result: Mapping[str, Any]) -> Reply:
    """Return a result with the status code of its error type."""
    if result.get("success"):
        return Reply(dict(result))
    wait_s = result.get("retry_after_seconds")
    headers = {"Retry-After": str(ceil(wait_s))} if isinstance(wait_s, int | float) else {}
    error_type = str(result.get("error_type"))
    status_code = STATUS_CODES.get(error_type) or CLUSTER_STATUS_CODES.get(error_type, 500)
    if status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Reply(dict(result), status_code, headers)


def failure_reply(
    status_code: int, error_type: str, message: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Reply:
    """Return the failure of a call that did not reach the core."""
    content = {"success": False, "error": message, "error_type": error_type, "retryable": status_code >= 500, **more}
    return Reply(content, status_code, dict(headers or {}))
