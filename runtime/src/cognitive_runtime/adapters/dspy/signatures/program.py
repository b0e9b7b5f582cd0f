"""Saved state of a DSPy program: demonstrations and instructions for a task type."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import dspy
from pydantic.fields import FieldInfo

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType

_LOGGER: Final = logging.getLogger(__name__)
_NO_FIELDS: Final = frozenset({"augmented", "dspy_uuid", "dspy_split"})
"""Keys that DSPy adds to demonstrations."""
MAX_PROGRAM_BYTES: Final = 8 * 1024 * 1024


class InvalidProgram(ValueError):
    """A file holds no saved program for a task type. The message names the file and the remedy."""


@dataclass(frozen=True)
class Program:
    """Demonstrations and instructions of one predictor."""

    instructions: str
    demos: tuple[Mapping[str, Any], ...]
    """Values by the names of the signature's fields."""

    @property
    def digest(self) -> str:
        """Digest of everything that changes an answer."""
        text = json.dumps([self.instructions, [dict(demo) for demo in self.demos]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def predictor(self, signature: type[dspy.Signature]) -> dspy.Predict:
        """Return the predictor of a signature with this program's demonstrations and instructions."""
        found = dspy.Predict(signature.with_instructions(self.instructions))
        found.demos = [dict(demo) for demo in self.demos]
        return found


def read_program(path: str | Path, task_type: CognitiveTaskType) -> Program:
    """Return the program of a task type from the state that ``module.save("program.json")`` wrote.

    The state of a module with several predictors counts if exactly one of them has the fields of the task type. A
    saved language model is ignored.

    Raises:
        InvalidProgram: The file is no such state, or has no predictor, or several, for the task type.
    """
    signature = SIGNATURES[task_type].signature
    found = [state for state in read_predictors(path) if _is_for(signature, state)]
    if len(found) != 1:
        count = f"{len(found)} predictors" if found else "no predictor"
        raise InvalidProgram(f"{path}: the program has {count} with the fields of {task_type.value}; expected one.")
    if found[0].get("lm"):
        line = {"event": "ProgramModelIgnored", "task_type": task_type.value}
        _LOGGER.warning("the language model of a saved program is ignored: the agent's model is used", extra=line)
    return Program(found[0]["signature"]["instructions"], tuple(_demos(signature, found[0])))


def program_types(path: str | Path) -> list[CognitiveTaskType]:
    """Return the task types for which a file holds a predictor.

    Raises:
        InvalidProgram: The file is no saved program.
    """
    states = read_predictors(path)
    return [kind for kind, task in SIGNATURES.items() if any(_is_for(task.signature, state) for state in states)]


def read_predictors(path: str | Path) -> list[dict[str, Any]]:
    """Return the states of all predictors in a file.

    Raises:
        InvalidProgram: The file cannot be read, or is no JSON that DSPy has saved.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InvalidProgram(f"{path}: {error.strerror or type(error).__name__}.") from None
    if len(raw) > MAX_PROGRAM_BYTES:
        raise InvalidProgram(f"{path}: has {len(raw)} bytes; a program has at most {MAX_PROGRAM_BYTES}.")
    try:
        state = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidProgram(f'{path}: is not JSON; save the program with module.save("program.json").') from None
    found = list(_predictors(state))
    if not found:
        raise InvalidProgram(f'{path}: is no saved program; save one with module.save("program.json").')
    return found


def _predictors(state: Any, depth: int = 2) -> Iterator[dict[str, Any]]:
    if not isinstance(state, dict):
        return
    if _is_predictor(state):
        yield state
    elif depth:
        for each in state.values():
            yield from _predictors(each, depth - 1)


def _is_predictor(state: Mapping[str, Any]) -> bool:
    signature = state.get("signature")
    demos = state.get("demos")
    return (
        isinstance(signature, dict)
        and isinstance(signature.get("instructions"), str)
        and isinstance(signature.get("fields"), list)
        and isinstance(demos, list)
        and all(isinstance(demo, dict) for demo in demos)
    )


def _is_for(signature: type[dspy.Signature], state: Mapping[str, Any]) -> bool:
    """Return True if a predictor has all fields of the signature. A saved field is known by its prefix only."""
    saved = {field.get("prefix") for field in state["signature"]["fields"] if isinstance(field, dict)}
    return {_prefix(info) for info in signature.fields.values()} <= saved


def _prefix(info: FieldInfo) -> str:
    extra = info.json_schema_extra
    return str(extra.get("prefix", "")) if isinstance(extra, dict) else ""


def _demos(signature: type[dspy.Signature], state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the demonstrations that have inputs and outputs of the signature."""
    for demo in state["demos"]:
        found = {
            name: value
            for name, value in demo.items()
            if name in signature.fields and name not in _NO_FIELDS and value is not None
        }
        if any(name in found for name in signature.input_fields) and any(
            name in found for name in signature.output_fields
        ):
            yield found
