"""Demonstrations of a saved program as the YAML of an agent's ``spec.demonstrations``."""

from collections.abc import Mapping
from typing import Any

import yaml

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.program import InvalidProgram, program_types, read_program
from cognitive_runtime.domain import CognitiveTaskType

_TYPE_NAMES = {kind: "".join(word.capitalize() for word in kind.value.split("_")) for kind in CognitiveTaskType}


def program_yaml(path: str) -> tuple[str, int]:
    """Return the list as YAML, and the number of demonstrations that are left out because they lack an output.

    Raises:
        InvalidProgram: The file is no saved program, or has no whole demonstration of a task type.
    """
    found: list[dict[str, Any]] = []
    incomplete = 0
    for kind in program_types(path):
        outputs = SIGNATURES[kind].signature.output_fields
        for demo in read_program(path, kind).demos:
            if all(name in demo for name in outputs):
                found.append(_demonstration(kind, demo))
            else:
                incomplete += 1
    if not found:
        raise InvalidProgram(f"{path}: the program has no demonstration of a task type with all of its outputs.")
    return yaml.safe_dump(found, allow_unicode=True, sort_keys=False, width=120), incomplete


def _demonstration(kind: CognitiveTaskType, demo: Mapping[str, Any]) -> dict[str, Any]:
    outputs = SIGNATURES[kind].signature.output_fields
    given = {name: value for name, value in demo.items() if name not in outputs}
    return {"type": _TYPE_NAMES[kind], "input": _task_input(given), "output": {name: demo[name] for name in outputs}}


def _task_input(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs as a task states them: an incident and further keys stand at the top."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in ("incident_context", "further_input"):
            found |= value if isinstance(value, dict) else {"error_message": value}
        else:
            found[name] = value
    return found
