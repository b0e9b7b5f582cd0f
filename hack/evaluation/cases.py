"""Cases of the evaluation: ten for each task type in the folder ``cases``, and those with tools in ``tool_cases``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from evaluation.checks import Answer, Check, read_check
from evaluation.worlds import ScriptedTool, played, read_tools

DIRECTORY: Final = Path(__file__).parent / "cases"
TOOL_DIRECTORY: Final = Path(__file__).parent / "tool_cases"
TOOLS: Final = "tools"
"""Type of the cases with tools. They are not part of the total of the task types."""
_KEYS: Final = frozenset({"id", "input", "options", "checks", "right", "wrong", "tools"})
_OPTIONAL: Final = frozenset({"options", "tools"})


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
    tools: tuple[ScriptedTool, ...] = ()
    """Tools that the model may call; empty for every type but ``tools``."""

    def held(self, answer: Answer) -> dict[str, bool]:
        """Return the name of each check, and True if the answer holds it."""
        return {check.name: check.holds(answer) for check in self.checks}


def load_cases(directory: Path = DIRECTORY) -> list[Case]:
    """Return all cases of a folder, ordered by task type and place in their file.

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
    missing = sorted(_KEYS - _OPTIONAL - set(found)) + sorted(set(found) - _KEYS)
    if missing:
        raise ValueError(f"case {name}: missing or unknown keys: {', '.join(missing)}")
    try:
        json.dumps(found["input"])
        checks = tuple(read_check(rule, found.get("options", ())) for rule in found["checks"])
        tools = read_tools(found.get("tools", ()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"case {name}: {error}") from None
    right, *wrong = (_answer(tools, each) for each in (found["right"], *found["wrong"]))
    return Case(name, task_type, found["input"], checks, right, tuple(wrong), tools)


def _answer(tools: tuple[ScriptedTool, ...], answer: Answer) -> Answer:
    """Return an answer whose calls have their outcomes."""
    return {**answer, "calls": played(tools, answer["calls"])} if "calls" in answer else answer
