"""Types of the fields that executors write, bounded so that a status of the CRDs can hold every value.

Texts are cleaned and cut. Other values out of bounds make their message invalid.
"""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from cognitive_operator.api.bounds import (
    INT32_MAX,
    INT64_MAX,
    MAX_DURATION_MS,
    MAX_ENERGY,
    MAX_TOKENS,
    checked_result,
    checked_time,
    cleaned,
)

RETRY_AFTER_MAX_S: Final = 24 * 3600.0
"""Longest wait that an executor can ask for; a longer one is shortened."""


def _at_most_a_day(seconds: float) -> float:
    return min(seconds, RETRY_AFTER_MAX_S)


Time = Annotated[str, AfterValidator(checked_time)]
Text = Annotated[str, AfterValidator(cleaned(1024))]
Reasoning = Annotated[str, AfterValidator(cleaned(4096))]
"""Source of both lengths: the limits of ``error`` and ``reasoning`` in ``docs/reference/wire.md``."""
Tokens = Annotated[int, Field(ge=0, le=MAX_TOKENS)]
Count = Annotated[int, Field(ge=0, le=INT32_MAX)]
Size = Annotated[int, Field(ge=0, le=INT64_MAX)]
Milliseconds = Annotated[int, Field(ge=0, le=MAX_DURATION_MS)]
Delta = Annotated[float, Field(ge=0, le=MAX_ENERGY)]
RetryAfter = Annotated[float, Field(ge=0), AfterValidator(_at_most_a_day)]
InlineResult = Annotated[dict[str, Any], AfterValidator(checked_result)]
