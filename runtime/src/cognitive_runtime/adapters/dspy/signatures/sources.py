"""Signatures from a manifest, from its content as a dict, or from a class of DSPy."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dspy
import yaml
from pydantic import ValidationError

from cognitive_runtime.adapters.dspy.signatures.classes import class_signature
from cognitive_runtime.adapters.wire import Signature
from cognitive_runtime.domain import InvalidSignature, SignatureModule, TaskSignature
from cognitive_runtime.domain.signature_field import MAX_DEPTH

SignatureSource = str | Path | Mapping[str, Any] | type[dspy.Signature] | TaskSignature
KIND: Final = "CognitiveSignature"
API_GROUP: Final = "cognitive.seedcore.io"
MAX_MANIFEST_BYTES: Final = 1024 * 1024
_SPEC: Final = ("instructions", "module", "inputs", "outputs", "demonstrations")
_PLAIN: Final = ("name", "generation", *_SPEC)
_FIELD: Final = {
    "name": "name",
    "description": "description",
    "type": "type",
    "optional": "optional",
    "minimum": "minimum",
    "maximum": "maximum",
    "values": "values",
    "items": "items",
    "properties": "properties",
    "maxItems": "max_items",
    "maxLength": "max_length",
    "max_items": "max_items",
    "max_length": "max_length",
}
"""Name on the wire of each property of a field. A dict may have either name."""


def named_signature(
    source: SignatureSource, name: str | None, module: SignatureModule | None, taken: Collection[str]
) -> TaskSignature:
    """Return the signature of a source, under a name that is not taken.

    Raises:
        InvalidSignature: The message names the field, and the file if the source is one.
    """
    found = read_signature(source, name, module)
    if found.name in taken:
        raise InvalidSignature(f"name: {found.name} is a built-in task type or has a handler; choose another name.")
    return found


def read_signature(
    source: SignatureSource, name: str | None = None, module: SignatureModule | None = None
) -> TaskSignature:
    """Return the signature of a source.

    Raises:
        InvalidSignature: The message names the field, and the file if the source is one.
    """
    found: TaskSignature
    if isinstance(source, TaskSignature):
        found = replace(source, name=name or source.name)
    elif isinstance(source, Mapping):
        found = _from_dict(source, name)
    elif isinstance(source, str | Path):
        found = _from_file(Path(source), name)
    elif isinstance(source, type) and issubclass(source, dspy.Signature):
        found = class_signature(source, name)
    else:
        kind = type(source).__name__
        raise InvalidSignature(f"a signature is a path, a dict or a dspy.Signature class, not an object of {kind}.")
    return replace(found, module=module) if module else found


def _from_file(path: Path, name: str | None) -> TaskSignature:
    try:
        found = [each for each in _documents(path) if isinstance(each, Mapping) and each.get("kind") == KIND]
        if len(found) != 1:
            raise InvalidSignature(f"has {len(found)} manifests of the kind {KIND}; expected one.")
        return _from_dict(found[0], name)
    except InvalidSignature as error:
        raise InvalidSignature(f"{path}: {error}") from None


def _documents(path: Path) -> list[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidSignature(f"{error.strerror or type(error).__name__}.") from None
    if len(content) > MAX_MANIFEST_BYTES:
        raise InvalidSignature(f"has {len(content)} bytes; a manifest has at most {MAX_MANIFEST_BYTES}.")
    try:
        return list(yaml.safe_load_all(content))
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidSignature(f"is not YAML{line}: {error.problem}.") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise InvalidSignature("is not YAML.") from None


def _from_dict(found: Mapping[str, Any], name: str | None) -> TaskSignature:
    plain = _of_manifest(found) if "kind" in found or "spec" in found else _checked(found, _PLAIN, "the signature")
    for place in ("inputs", "outputs"):
        fields = plain.get(place)
        if isinstance(fields, list | tuple):
            plain[place] = [_field(each, f"{place}[{number}]") for number, each in enumerate(fields)]
    if name is not None:
        plain["name"] = name
    try:
        return Signature.model_validate(plain).valid_signature()
    except ValidationError as error:
        raise InvalidSignature(_explained(error)) from None


def _of_manifest(found: Mapping[str, Any]) -> dict[str, Any]:
    version, metadata, spec = (found.get(name) for name in ("apiVersion", "metadata", "spec"))
    if found.get("kind") != KIND or not str(version).startswith(f"{API_GROUP}/"):
        raise InvalidSignature(f"kind must be {KIND}, and apiVersion one of {API_GROUP}.")
    if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str):
        raise InvalidSignature("metadata.name is missing.")
    if not isinstance(spec, Mapping):
        raise InvalidSignature("spec is missing.")
    generation = metadata.get("generation", 1)
    return _checked(spec, _SPEC, "spec") | {"name": metadata["name"], "generation": generation}


def _field(found: Any, place: str, depth: int = 1) -> Any:
    """Return a field with its names of the wire."""
    if not isinstance(found, Mapping):
        return found
    if depth > MAX_DEPTH:
        raise InvalidSignature(f"{place} is nested deeper than {MAX_DEPTH} levels.")
    plain = {_FIELD[key]: value for key, value in _checked(found, _FIELD, place).items()}
    if "items" in plain:
        plain["items"] = _field(plain["items"], f"{place}.items", depth + 1)
    parts = plain.get("properties")
    if isinstance(parts, list | tuple):
        plain["properties"] = [
            _field(each, f"{place}.properties[{number}]", depth + 1) for number, each in enumerate(parts)
        ]
    return plain


def _checked(found: Mapping[str, Any], known: Collection[str], place: str) -> dict[str, Any]:
    """Return a copy of a part. A misspelt name in it would have no effect, so it is refused."""
    for key in found:
        if key not in known:
            raise InvalidSignature(f"{place} has the unknown property {key}; expected {', '.join(known)}.")
    return dict(found)


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    steps = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]]
    return f"{''.join(steps).removeprefix('.')}: {first['msg']}."
