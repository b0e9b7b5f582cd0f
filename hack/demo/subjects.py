"""Check of the demo's answers: each must name what its task is about."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from demo.task_display import Task
from evaluation.checks import Check, read_check

SUBJECTS = Path(__file__).parent / "subjects.yaml"
TOLERATED = 1
"""Answers of the small model that may miss their subject: eight of nine must name it."""


def load_subjects(path: Path = SUBJECTS) -> dict[str, list[Check]]:
    """Return the checks of each task, by its name."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: [read_check(rule, ()) for rule in rules] for name, rules in found.items()}


def missed_subjects(tasks: Sequence[Task], subjects: Mapping[str, Sequence[Check]]) -> dict[str, list[str]]:
    """Return the names of the subjects that each task's result does not name. Tasks without checks are left out."""
    results = {task["metadata"]["name"]: (task.get("status") or {}).get("result") or {} for task in tasks}
    return {
        name: [check.name for check in subjects[name] if not check.holds(result)]
        for name, result in results.items()
        if name in subjects
    }


def subject_lines(missed: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each task, and one with their number."""
    lines = [f"{name}: {'misses ' + ', '.join(names) if names else 'yes'}" for name, names in missed.items()]
    hits = sum(not names for names in missed.values())
    return [*lines, f"{hits} of {len(missed)} answers name what they were asked about"] if missed else []
