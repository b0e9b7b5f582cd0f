"""What the doctor tells: plain text for people, JSON for programs, and no secret in either."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.application.checks import CheckResult
from cognitive_runtime.domain.finding import CheckStatus

SCHEMA_VERSION: Final = 1
_HIDDEN: Final = "[hidden]"


def is_well(found: Sequence[CheckResult]) -> bool:
    """Tell whether nothing is wrong."""
    return all(each.finding.status is not CheckStatus.FAILED for each in found)


def without_secrets(found: Sequence[CheckResult], secrets: Sequence[str]) -> tuple[CheckResult, ...]:
    """Return the findings with every secret taken out, should a server or a library have repeated one."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def cleaned(each: CheckResult) -> CheckResult:
        finding = replace(each.finding, message=clean(each.finding.message), hint=clean(each.finding.hint))
        return replace(each, finding=finding)

    return tuple(cleaned(each) for each in found)


def as_text(found: Sequence[CheckResult]) -> str:
    """Return one line for each check, a hint below what is wrong, and the sum."""
    width = max((len(each.name) for each in found), default=0)
    lines = [line for each in found for line in _lines(each, width)]
    counts = Counter(each.finding.status for each in found)
    total = ", ".join(f"{counts[verdict]} {verdict}" for verdict in CheckStatus)
    return "\n".join([*lines, "", f"{len(found)} checks: {total}"])


def as_json(found: Sequence[CheckResult]) -> str:
    """Return one JSON object."""
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
    return json.dumps({"schema_version": SCHEMA_VERSION, "ok": is_well(found), "checks": checks}, indent=2)


def _lines(each: CheckResult, width: int) -> list[str]:
    verdict, finding = str(each.finding.status), each.finding
    shown = verdict.upper() if finding.status is CheckStatus.FAILED else verdict
    head = f"{shown:<8} {each.name:<{width}}  {_plain(finding.message)}"
    return [head, *([f"{'':<8} {'':<{width}}  -> {_plain(finding.hint)}"] if finding.hint else [])]


def _plain(text: str) -> str:
    """Return the text on one line, without what a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
