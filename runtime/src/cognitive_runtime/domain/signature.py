"""Signature of a task type of the user's own: instructions, typed inputs and outputs, module and demonstrations."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, get_args

from cognitive_runtime.domain.errors import InvalidRequest
from cognitive_runtime.domain.signature_field import InvalidSignature, SignatureField, check_unique
from cognitive_runtime.domain.signature_names import is_reserved
from cognitive_runtime.domain.signature_values import object_problems

SignatureModule = Literal["Predict", "ChainOfThought", "ReAct"]
"""DSPy module that answers. ChainOfThought and ReAct add an output ``reasoning`` before the signature's own."""
MAX_FIELDS: Final = 32
"""Maximum number of inputs, and of outputs."""
MAX_SIGNATURE_DEMONSTRATIONS: Final = 16
MAX_SIGNATURE_BYTES: Final = 64 * 1024
"""Maximum size of a signature as JSON. Nearly all of it is part of the prompt."""
CONFIDENCE: Final = "confidence"
"""Output that is the confidence of the result, if it is a number from 0 to 1."""


@dataclass(frozen=True)
class SignatureDemonstration:
    """Example of an input and its right output."""

    input: Mapping[str, Any]
    output: Mapping[str, Any]


@dataclass(frozen=True)
class TaskSignature:
    """Task type of the user's own, in one generation.

    Raises:
        InvalidSignature: A part is invalid; the message names the field.
    """

    name: str
    instructions: str
    inputs: tuple[SignatureField, ...]
    outputs: tuple[SignatureField, ...]
    module: SignatureModule = "ChainOfThought"
    demonstrations: tuple[SignatureDemonstration, ...] = field(default=())
    generation: int = 1

    def __post_init__(self) -> None:
        _require(bool(self.name.strip()), "name must not be empty")
        _require(self.generation >= 1, "generation counts from 1")
        _require(bool(self.instructions.strip()), "instructions must not be empty")
        _require(
            self.module in get_args(SignatureModule), f"module must be one of {_listed(get_args(SignatureModule))}"
        )
        self._check_fields()
        count = len(self.demonstrations)
        most = MAX_SIGNATURE_DEMONSTRATIONS
        _require(count <= most, f"demonstrations has {count} items; at most {most} are allowed")
        size = self._json_bytes()
        _require(size <= MAX_SIGNATURE_BYTES, f"has {size} bytes as JSON; at most {MAX_SIGNATURE_BYTES} are allowed")
        for number, each in enumerate(self.demonstrations):
            self._check_demonstration(f"demonstrations[{number}]", each)

    def to_dict(self) -> dict[str, Any]:
        """Return the signature as plain values, in the form of the wire."""
        shown = [{"input": dict(each.input), "output": dict(each.output)} for each in self.demonstrations]
        return {
            "name": self.name,
            "generation": self.generation,
            "instructions": self.instructions,
            "module": self.module,
            "inputs": [each.to_dict() for each in self.inputs],
            "outputs": [each.to_dict() for each in self.outputs],
            "demonstrations": shown,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self._json()).hexdigest()

    @property
    def confidence(self) -> str | None:
        """Name of the output with the confidence of the result, or None."""
        return next((each.name for each in self.outputs if _is_confidence(each)), None)

    def check_input(self, given: Mapping[str, Any]) -> None:
        """Validate the input of a task.

        Raises:
            InvalidRequest: The message names all invalid fields, and none of their values.
        """
        problems = list(object_problems(self.inputs, given, "input"))
        if problems:
            raise InvalidRequest(f"{'; '.join(problems)} (signature {self.name}).")

    def _check_fields(self) -> None:
        for place, fields in (("inputs", self.inputs), ("outputs", self.outputs)):
            count = len(fields)
            _require(1 <= count <= MAX_FIELDS, f"{place} has {count} fields; 1 to {MAX_FIELDS} are allowed")
            for number, each in enumerate(fields):
                each.check(f"{place}[{number}]")
                _require(
                    not is_reserved(each.name), f"{place}[{number}].name: {each.name} is reserved; choose another name"
                )
            check_unique(place, fields)
        known = {each.name for each in self.inputs}
        twice = next((each.name for each in self.outputs if each.name in known), None)
        _require(twice is None, f"outputs: the name {twice} is an input, too")

    def _check_demonstration(self, place: str, found: SignatureDemonstration) -> None:
        problems = [*object_problems(self.inputs, found.input, f"{place}.input")]
        may_be_absent = frozenset({CONFIDENCE} if self.confidence else ())
        problems += object_problems(self.outputs, found.output, f"{place}.output", may_be_absent)
        value = found.output.get(CONFIDENCE) if self.confidence else None
        if not problems and value is not None and not 0 <= value <= 1:
            problems.append(f"{place}.output.{CONFIDENCE} must be a number from 0 to 1")
        _require(not problems, "; ".join(problems))

    def _json_bytes(self) -> int:
        try:
            return len(self._json())
        except (TypeError, ValueError, RecursionError):
            raise InvalidSignature("demonstrations: an input or output is not JSON.") from None

    def _json(self) -> bytes:
        text = json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")


def _is_confidence(found: SignatureField) -> bool:
    has_bounds = found.minimum in (None, 0) and found.maximum in (None, 1)
    return found.name == CONFIDENCE and found.type == "number" and has_bounds


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise InvalidSignature(f"{problem}.")
