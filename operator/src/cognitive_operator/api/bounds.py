"""Bounds on numbers and texts from outside the operator, so that a status that holds them satisfies the CRDs."""

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
"""Source of both: the formats int32 and int64 of numbers in ``crds/``."""
MAX_TOKENS: Final = 10**12
"""Tokens of one attempt. Source: the maximum of ``spec.budget.tokensPerDay`` in ``crds/cognitiveagents.yaml``."""
MAX_ENERGY: Final = 10**12
"""Energy of one attempt: 1000, the maximum of ``spec.energy.costPerCharacter``, for each of 10^9 characters."""
MAX_DURATION_MS: Final = 10**12
"""Running time of one attempt: 30 years."""
MAX_CAPACITY: Final = 256
"""Tasks of one worker. Source: the maximum of ``concurrencyPerWorker`` in ``crds/cognitiveagents.yaml``."""
MAX_RESULT_BYTES: Final = 32 * 1024
"""Inline result as JSON. Source: twice the limit of the wire, because numbers may be spelled differently."""
CONDITION_MESSAGE_CHARS: Final = 32768
CONDITION_REASON_CHARS: Final = 1024
_CONDITION_REASON: Final = re.compile("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
"""Source of the three: ``status.conditions`` in ``crds/``."""
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2261
"""Years whose times fit into 64 bits of nanoseconds, as traces count them."""
_DATE_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
    + "|["
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
"""Control characters except tab and line ends, surrogates, and code points that are no characters."""


def clean_text(text: str, max_chars: int) -> str:
    """Return a text of at most ``max_chars`` characters, with U+FFFD in place of each unprintable character."""
    cut = text if len(text) <= max_chars else f"{text[: max_chars - 1]}…"
    return _UNPRINTABLE.sub("\ufffd", cut)


def cleaned(max_chars: int) -> Callable[[str], str]:
    """Return a function that cleans a text and cuts it to ``max_chars`` characters."""
    return lambda text: clean_text(text, max_chars)


def is_condition_reason(reason: str) -> bool:
    """Return True if the CRDs accept a text as the reason of a condition."""
    return len(reason) <= CONDITION_REASON_CHARS and _CONDITION_REASON.fullmatch(reason) is not None


def checked_time(text: str) -> str:
    """Return a time that the CRDs accept as date-time.

    Raises:
        ValueError: The text is not a time of RFC 3339 with an offset, between FIRST_YEAR and LAST_YEAR.
    """
    if not _DATE_TIME.fullmatch(text) or not FIRST_YEAR <= datetime.fromisoformat(text).year <= LAST_YEAR:
        raise ValueError("not a time of RFC 3339 such as 2026-11-21T02:00:00Z")
    return text


def checked_result(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result that fits into the status of a task.

    Raises:
        ValueError: The result is larger than MAX_RESULT_BYTES as JSON, or has a number that JSON readers refuse.
    """
    size = len(json.dumps(result, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
    if size > MAX_RESULT_BYTES:
        raise ValueError(f"{size} bytes as JSON, expected at most {MAX_RESULT_BYTES}")
    _check_numbers(result)
    return result


def _check_numbers(value: Any) -> None:
    """Raise ValueError for an integer beyond the range of a 64-bit float, which the API server cannot read."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _check_numbers(each)
    elif isinstance(value, int) and value.bit_length() > 1023:
        raise ValueError("a number is larger than 10^307")
