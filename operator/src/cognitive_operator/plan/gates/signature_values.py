"""Validation of values against the types of a signature. Messages never contain a part of a value."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cognitive_operator.api.signatures import FieldShape, NamedField

_SHOWN_NAMES: Final = 5
_SHOWN_CHARS: Final = 63


@dataclass(frozen=True)
class ValueFault:
    """A value that does not satisfy its type."""

    path: tuple[str, ...]
    """Names and list positions from the outermost key, such as ``("findings", "0", "title")``."""
    problem: str
    """The expectation, such as ``expected one of low, high``."""

    @property
    def key(self) -> str:
        """The outermost key."""
        return self.path[0]

    def within(self, place: str) -> str:
        """Return the message with the field's path below ``place``, such as ``spec.input``."""
        return f"{place}{''.join(f'[{step}]' if step.isdigit() else f'.{step}' for step in self.path)}: {self.problem}"


def values_fault(
    fields: Sequence[NamedField], values: Mapping[str, Any], *, is_partial: bool = False
) -> ValueFault | None:
    """Return the first fault of an object with these fields.

    Args:
        fields: The keys and their types.
        values: The object. A value of null counts as absent.
        is_partial: True: required keys may be absent, because other sources may supply them.
    """
    known = {field.name: field for field in fields}
    unknown = next((name for name in values if name not in known), None)
    if unknown is not None:
        return ValueFault((_shown(unknown),), f"unknown, expected only {_names(list(known))}")
    return _known_fault(known, values, is_partial=is_partial)


def _known_fault(
    known: Mapping[str, NamedField], values: Mapping[str, Any], *, is_partial: bool = False
) -> ValueFault | None:
    for name, field in known.items():
        value = values.get(name)
        if value is not None:
            fault = value_fault(field, value)
        elif field.optional or is_partial:
            continue
        else:
            fault = ValueFault((), f"required, expected {_expected(field)}")
        if fault is not None:
            return ValueFault((name, *fault.path), fault.problem)
    return None


def value_fault(field: FieldShape, value: Any) -> ValueFault | None:
    """Return the first fault of a value, with the path below it; empty: the value itself."""
    if not _CHECKS[field.type](field, value):
        return ValueFault((), f"expected {_expected(field)}")
    if field.type == "object":
        return _object_fault(field, value)
    return _item_fault(field, value) if field.type == "list" else None


def _object_fault(field: FieldShape, value: Mapping[str, Any]) -> ValueFault | None:
    """Return the first fault of a nested object; the name of an unknown key is a part of the value."""
    known = {each.name: each for each in field.properties}
    if value.keys() - known:
        return ValueFault((), f"an unknown key, expected only {_names(list(known))}")
    return _known_fault(known, value)


def _item_fault(field: FieldShape, value: Sequence[Any]) -> ValueFault | None:
    if field.items is None:
        return None
    faults = ((number, value_fault(field.items, item)) for number, item in enumerate(value))
    return next((ValueFault((str(number), *fault.path), fault.problem) for number, fault in faults if fault), None)


def _is_text(field: FieldShape, value: Any) -> bool:
    return isinstance(value, str) and (field.max_length is None or len(value) <= field.max_length)


def _is_number(field: FieldShape, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    above = field.minimum is None or value >= field.minimum
    return above and (field.maximum is None or value <= field.maximum)


def _is_integer(field: FieldShape, value: Any) -> bool:
    return _is_number(field, value) and (isinstance(value, int) or float(value).is_integer())


def _is_list(field: FieldShape, value: Any) -> bool:
    return isinstance(value, list) and (field.max_items is None or len(value) <= field.max_items)


_CHECKS: Final[Mapping[str, Callable[[FieldShape, Any], bool]]] = {
    "string": _is_text,
    "number": _is_number,
    "integer": _is_integer,
    "boolean": lambda _, value: isinstance(value, bool),
    "enum": lambda field, value: isinstance(value, str) and value in field.values,
    "list": _is_list,
    "object": lambda _, value: isinstance(value, dict),
}


def _expected(field: FieldShape) -> str:
    match field.type:
        case "enum":
            return f"one of {', '.join(field.values)}"
        case "string":
            return "a string" if field.max_length is None else f"a string of at most {field.max_length} characters"
        case "list":
            return "a list" if field.max_items is None else f"a list of at most {field.max_items} items"
        case "number" | "integer":
            return " ".join((f"{'an' if field.type == 'integer' else 'a'} {field.type}", *_bounds(field)))
        case "object":
            return f"an object with {_names([each.name for each in field.properties])}"
    return "true or false"


def _bounds(field: FieldShape) -> Iterator[str]:
    if field.minimum is not None and field.maximum is not None:
        yield f"from {field.minimum:g} to {field.maximum:g}"
    elif field.minimum is not None:
        yield f"of at least {field.minimum:g}"
    elif field.maximum is not None:
        yield f"of at most {field.maximum:g}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return f"{', '.join(names[:_SHOWN_NAMES])}{more}"


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARS else f"{name[:_SHOWN_CHARS]}…"
