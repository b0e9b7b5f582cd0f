"""The project's CRDs as the tests read them."""

import copy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from reference.__main__ import load_crds

ROOT: Final = Path(__file__).parents[3]
EXAMPLES: Final = ROOT / "examples"
Schema = dict[str, Any]
FieldPath = tuple[str, ...]
MUTABLE: Final = frozenset({"suspend", "cancel", "priority", "ttlSecondsAfterFinished"})
"""Fields of a task's spec that may change after creation."""


def crd(kind: str) -> Schema:
    """Return the CRD of a kind."""
    return copy.deepcopy(next(found for found in _crds() if found["spec"]["names"]["kind"] == kind))


def schema(kind: str) -> Schema:
    """Return the schema of a kind's only version."""
    (version,) = crd(kind)["spec"]["versions"]
    found: Schema = version["schema"]["openAPIV3Schema"]
    return found


def part(kind: str, name: str) -> Schema:
    """Return the schema of ``spec`` or ``status``."""
    found: Schema = schema(kind)["properties"][name]
    return found


def fields(of: Schema, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Schema]]:
    """Yield every declared property below a schema with its path; a list's items count as ``[]``."""
    for name, child in of.get("properties", {}).items():
        yield (*path, name), child
        yield from fields(child, (*path, name))
        if isinstance(items := child.get("items"), dict):
            yield from fields(items, (*path, name, "[]"))


def strict(of: Schema) -> Schema:
    """Return the JSON schema that refuses what the API server would refuse or prune."""
    closed = copy.deepcopy(of)
    _close(closed)
    return closed


def defaulted(value: dict[str, Any], by: Schema) -> dict[str, Any]:
    """Return an object with the schema's defaults filled in as the API server does."""
    filled = copy.deepcopy(value)
    for name, child in by.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = copy.deepcopy(child["default"])
        if isinstance(filled.get(name), dict):
            filled[name] = defaulted(filled[name], child)
        if isinstance(filled.get(name), list):
            item = child.get("items", {})
            filled[name] = [defaulted(each, item) if isinstance(each, dict) else each for each in filled[name]]
    return filled


def examples() -> list[dict[str, Any]]:
    """Return every manifest of ``examples/``."""
    paths = sorted(EXAMPLES.glob("*.yaml"))
    return [manifest for path in paths for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8"))]


@cache
def _crds() -> list[Schema]:
    return load_crds(ROOT / "crds")


def _close(of: Schema) -> None:
    keeps_unknown = of.pop("x-kubernetes-preserve-unknown-fields", False)
    if "properties" in of and not keeps_unknown:
        of["additionalProperties"] = False
    if of.pop("exclusiveMinimum", False):
        of["exclusiveMinimum"] = of.pop("minimum")
    for child in [*of.get("properties", {}).values(), of.get("items"), of.get("additionalProperties")]:
        if isinstance(child, dict):
            _close(child)
