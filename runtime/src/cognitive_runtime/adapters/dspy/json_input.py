"""Conversion of Python values to JSON, with errors that name the place of a value without a JSON form."""

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from cognitive_runtime.domain import InvalidRequest

_MAX_DEPTH: Final = 100
_REMEDIES: Final = {
    "bytes": "decode it to a text",
    "bytearray": "decode it to a text",
    "set": "sort it into a list",
    "frozenset": "sort it into a list",
    "Decimal": "convert it to a number or to a text",
}


def json_input(name: str, value: Any, depth: int = 0) -> Any:
    """Return a value as JSON: a date as ISO 8601, a tuple as a list, an object of known form as an object.

    Args:
        name: Place of the value, for the error.
        value: Any value.
        depth: Number of containers around the value.

    Raises:
        InvalidRequest: The value, or one within it, has no JSON form. The message names its place and its type.
    """
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return _number(name, value)
    if isinstance(value, Enum):
        return json_input(name, value.value, depth)
    if isinstance(value, str):
        return str(value)
    if depth >= _MAX_DEPTH:
        raise InvalidRequest(f"{name} has more than {_MAX_DEPTH} levels, or contains itself.")
    return _container(name, value, depth + 1)


def _number(name: str, value: float) -> float:
    if not isfinite(value):
        raise InvalidRequest(f"{name} is {value}, which JSON cannot hold; leave it out.")
    return float(value)


def _container(name: str, value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {_key(name, key): json_input(f"{name}.{key}", item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_input(f"{name}[{number}]", item, depth) for number, item in enumerate(value)]
    return json_input(name, _plain(name, value), depth)


def _plain(name: str, value: Any) -> Any:
    """Return the text, list or mapping that stands for an object."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID | PurePath):
        return str(value)
    if isinstance(value, BaseModel):
        return value.model_dump()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    kind = type(value).__name__
    remedy = _REMEDIES.get(kind, "convert it to text, number, list or dict")
    raise InvalidRequest(f"{name} is of the type {kind}, which JSON does not have; {remedy}.")


def _key(name: str, key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str | int | float):
        raise InvalidRequest(f"{name} has a key of the type {type(key).__name__}; expected text.")
    return str(key)
