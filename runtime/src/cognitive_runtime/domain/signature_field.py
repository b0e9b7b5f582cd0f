"""Typed field of a signature."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, get_args

FieldType = Literal["string", "number", "integer", "boolean", "enum", "list", "object"]
MAX_PROPERTIES: Final = 16
MAX_DEPTH: Final = 5
"""Maximum levels of fields within fields. A CognitiveSignature allows fewer."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}", re.ASCII)
_OF_TYPE: Final = {
    "minimum": ("number", "integer"),
    "maximum": ("number", "integer"),
    "values": ("enum",),
    "items": ("list",),
    "properties": ("object",),
    "max_items": ("list",),
    "max_length": ("string",),
}
"""Types that each property of a field belongs to."""


class InvalidSignature(ValueError):
    """A signature is invalid. The message names the field, and what is expected."""


@dataclass(frozen=True)
class SignatureField:
    """Input, output, item of a list or property of an object."""

    name: str = ""
    """Empty for the item of a list."""
    type: FieldType = "string"
    description: str = ""
    optional: bool = False
    """True if the field may be absent."""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    """Allowed values of an enum."""
    items: "SignatureField | None" = None
    properties: tuple["SignatureField", ...] = ()
    max_items: int | None = None
    max_length: int | None = None
    """Maximum length of a string, in characters."""

    def to_dict(self) -> dict[str, Any]:
        """Return the field as plain values, in the form of the wire: without what is absent."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        plain = {name: value for name, value in found.items() if value is not False and value not in (None, (), "")}
        if self.values:
            plain["values"] = list(self.values)
        if self.items is not None:
            plain["items"] = self.items.to_dict()
        if self.properties:
            plain["properties"] = [each.to_dict() for each in self.properties]
        return plain

    def check(self, place: str, depth: int = 1, *, is_named: bool = True) -> None:
        """Validate the field.

        Args:
            place: Place of the field, for the error.
            depth: Number of fields on the way to this one, itself included.
            is_named: False for the item of a list, which has no name.

        Raises:
            InvalidSignature: The field is invalid.
        """
        _require(depth <= MAX_DEPTH, f"{place} is nested deeper than {MAX_DEPTH} levels")
        if is_named:
            rule = "must be a letter and then at most 62 letters, digits and underscores"
            _require(_NAME.fullmatch(self.name) is not None, f"{place}.name {rule}")
        _require(self.type in get_args(FieldType), f"{place}.type must be one of {', '.join(get_args(FieldType))}")
        for name, types in _OF_TYPE.items():
            is_set = getattr(self, name) not in (None, ())
            _require(not is_set or self.type in types, f"{place}.{name} is for {' and '.join(types)}, not {self.type}")
        self._check_bounds(place)
        self._check_values(place)
        self._check_parts(place, depth)

    def _check_bounds(self, place: str) -> None:
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        _require(bounds == sorted(bounds), f"{place}.minimum must not be more than maximum")
        whole = self.type != "integer" or all(float(bound).is_integer() for bound in bounds)
        _require(whole, f"{place}: minimum and maximum of an integer must be whole numbers")
        for name in ("max_items", "max_length"):
            value = getattr(self, name)
            _require(value is None or value >= 1, f"{place}.{name} must be at least 1")

    def _check_values(self, place: str) -> None:
        if self.type != "enum":
            return
        _require(bool(self.values), f"{place}.values must have at least one value")
        _require(all(self.values), f"{place}.values must not have an empty text")
        twice = _twice(self.values)
        _require(twice is None, f"{place}.values has the value {twice!r} twice")

    def _check_parts(self, place: str, depth: int) -> None:
        if self.type == "list":
            _require(self.items is not None, f"{place}.items is missing; a list has the type of its items")
        if self.items is not None:
            self.items.check(f"{place}.items", depth + 1, is_named=False)
        if self.type == "object":
            count = len(self.properties)
            rule = f"{place}.properties has {count} fields; 1 to {MAX_PROPERTIES} are allowed"
            _require(1 <= count <= MAX_PROPERTIES, rule)
        for number, each in enumerate(self.properties):
            each.check(f"{place}.properties[{number}]", depth + 1)
        check_unique(f"{place}.properties", self.properties)


def check_unique(place: str, fields: Sequence[SignatureField]) -> None:
    """Refuse a name that several fields have.

    Raises:
        InvalidSignature: The message has the name.
    """
    twice = _twice([each.name for each in fields])
    _require(twice is None, f"{place} has the name {twice} twice")


def _twice(found: Sequence[Any]) -> Any:
    return next((each for each, count in Counter(found).items() if count > 1), None)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise InvalidSignature(f"{problem}.")
