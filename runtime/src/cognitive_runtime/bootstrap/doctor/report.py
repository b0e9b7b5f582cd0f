"""What the doctor tells: plain text for people, JSON for programs, and no secret in either."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from cognitive_runtime.application.examine import Examined
from cognitive_runtime.domain.diagnosis import Verdict

SCHEMA_VERSION: Final = 1
_HIDDEN: Final = "[hidden]"


def is_well(found: Sequence[Examined]) -> bool:
    """Tell whether nothing is wrong."""
    return all(each.finding.verdict is not Verdict.FAILED for each in found)


def without_secrets(found: Sequence[Examined], secrets: Sequence[str]) -> tuple[Examined, ...]:
    """Return the findings with every secret taken out, should a server or a library have repeated one."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, _HIDDEN)
        return text

    def cleaned(each: Examined) -> Examined:
        finding = replace(each.finding, message=clean(each.finding.message), hint=clean(each.finding.hint))
        return replace(each, finding=finding)

    return tuple(cleaned(each) for each in found)


def as_text(found: Sequence[Examined]) -> str:
    """Return one line for each check, a hint below what is wrong, and the sum."""
    width = max((len(each.name) for each in found), default=0)
    lines = [line for each in found for line in _lines(each, width)]
    counts = Counter(each.finding.verdict for each in found)
    total = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)
    return "\n".join([*lines, "", f"{len(found)} checks: {total}"])


def as_json(found: Sequence[Examined]) -> str:
    """Return one JSON object."""
    checks: list[dict[str, Any]] = [
        {
            "name": each.name,
            "group": each.group,
            "verdict": str(each.finding.verdict),
            "message": _plain(each.finding.message),
            "hint": _plain(each.finding.hint) or None,
            "seconds": each.seconds,
        }
        for each in found
    ]
    return json.dumps({"schema_version": SCHEMA_VERSION, "ok": is_well(found), "checks": checks}, indent=2)


def _lines(each: Examined, width: int) -> list[str]:
    verdict, finding = str(each.finding.verdict), each.finding
    shown = verdict.upper() if finding.verdict is Verdict.FAILED else verdict
    head = f"{shown:<8} {each.name:<{width}}  {_plain(finding.message)}"
    return [head, *([f"{'':<8} {'':<{width}}  -> {_plain(finding.hint)}"] if finding.hint else [])]


def _plain(text: str) -> str:
    """Return the text on one line, without what a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
