"""Cases of the evaluation: ten for each task type, in the folder ``cases``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from evaluation.checks import Answer, Check, read_check

DIRECTORY = Path(__file__).parent / "cases"
_KEYS = {"id", "input", "options", "checks", "right", "wrong"}


@dataclass(frozen=True)
class Case:
    """One question, the checks of its answer, and answers that the checks must tell apart."""

    id: str
    task_type: str
    """Task type in snake case, such as ``failure_analysis``."""
    input: Mapping[str, Any]
    checks: tuple[Check, ...]
    right: Answer
    wrong: tuple[Answer, ...]

    def held(self, answer: Answer) -> dict[str, bool]:
        """Return the name of each check, and True if the answer holds it."""
        return {check.name: check.holds(answer) for check in self.checks}


def load_cases(directory: Path = DIRECTORY) -> list[Case]:
    """Return all cases, ordered by task type and place in their file.

    Raises:
        ValueError: A case lacks a key, or has an invalid check or an input that is no JSON; the message names the case.
    """
    files = sorted(directory.glob("*.yaml"))
    cases = [_case(path.stem, found) for path in files for found in yaml.safe_load(path.read_text(encoding="utf-8"))]
    ids = [case.id for case in cases]
    repeated = sorted({each for each in ids if ids.count(each) > 1})
    if repeated or not cases:
        raise ValueError(f"{directory}: repeated ids {repeated}" if repeated else f"{directory} has no cases")
    return cases


def selected(cases: Sequence[Case], task_types: Sequence[str], ids: Sequence[str], per_type: int | None) -> list[Case]:
    """Return the cases of some task types and ids (none: all), and of these the first ``per_type`` of each type."""
    found = [each for each in cases if (not task_types or each.task_type in task_types) and (not ids or each.id in ids)]
    counts: dict[str, int] = {}
    kept = []
    for case in found:
        counts[case.task_type] = counts.get(case.task_type, 0) + 1
        if per_type is None or counts[case.task_type] <= per_type:
            kept.append(case)
    return kept


def _case(task_type: str, found: Mapping[str, Any]) -> Case:
    name = found.get("id", "(without id)")
    missing = sorted(_KEYS - {"options"} - set(found)) + sorted(set(found) - _KEYS)
    if missing:
        raise ValueError(f"case {name}: missing or unknown keys: {', '.join(missing)}")
    try:
        json.dumps(found["input"])
        checks = tuple(read_check(rule, found.get("options", ())) for rule in found["checks"])
    except (ValueError, TypeError) as error:
        raise ValueError(f"case {name}: {error}") from None
    return Case(name, task_type, found["input"], checks, found["right"], tuple(found["wrong"]))
