"""Report of the doctor, as text or JSON, without secrets."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.application.checks import CheckResult
from cognitive_runtime.domain.finding import CheckStatus

SCHEMA_VERSION: Final = 1
_HIDDEN: Final = "[hidden]"


def all_passed(found: Sequence[CheckResult]) -> bool:
    """Return True if no check failed."""
    return all(each.finding.status is not CheckStatus.FAILED for each in found)


def without_secrets(found: Sequence[CheckResult], secrets: Sequence[str]) -> tuple[CheckResult, ...]:
    """Return the findings with every secret replaced, in case a server or library repeated one."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def cleaned(each: CheckResult) -> CheckResult:
        finding = replace(each.finding, message=clean(each.finding.message), hint=clean(each.finding.hint))
        return replace(each, finding=finding)

    return tuple(cleaned(each) for each in found)


def as_text(found: Sequence[CheckResult]) -> str:
    """Return one line for each check, with a hint below each problem, and the totals."""
    width = max((len(each.name) for each in found), default=0)
    lines = [line for each in found for line in _lines(each, width)]
    counts = Counter(each.finding.status for each in found)
    total = ", ".join(f"{counts[status]} {status}" for status in CheckStatus)
    return "\n".join([*lines, "", f"{len(found)} checks: {total}"])


def as_json(found: Sequence[CheckResult]) -> str:
    """Return the report as one JSON object."""
    checks: list[dict[str, Any]] = [
        {
            "name": each.name,
            "group": each.group,
            "verdict": str(each.finding.status),
            "message": _plain(each.finding.message),
            "hint": _plain(each.finding.hint) or None,
            "seconds": each.seconds,
        }
        for each in found
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "ok": all_passed(found), "checks": checks}, indent=2)


def _lines(each: CheckResult, width: int) -> list[str]:
    status, finding = str(each.finding.status), each.finding
    shown = status.upper() if finding.status is CheckStatus.FAILED else status
    head = f"{shown:<8} {each.name:<{width}}  {_plain(finding.message)}"
    return [head, *([f"{'':<8} {'':<{width}}  -> {_plain(finding.hint)}"] if finding.hint else [])]


def _plain(text: str) -> str:
    """Return the text on one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
