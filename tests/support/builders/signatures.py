"""A signature of the user's own, as a manifest and in the form of the wire."""

from typing import Any

from cognitive_runtime.adapters.wire import Signature
from cognitive_runtime.domain import TaskSignature

SPEC: dict[str, Any] = {
    "instructions": "Triage a ticket.\nName the worst problem first.",
    "module": "ChainOfThought",
    "inputs": [
        {"name": "ticket", "type": "string", "description": "The ticket as it was written."},
        {"name": "affected_users", "type": "integer", "minimum": 0, "optional": True},
        {
            "name": "labels",
            "type": "list",
            "items": {"type": "string", "maxLength": 20},
            "maxItems": 3,
            "optional": True,
        },
    ],
    "outputs": [
        {"name": "severity", "type": "enum", "values": ["low", "high"], "description": "How bad it is."},
        {"name": "score", "type": "number", "minimum": 0, "maximum": 10},
        {"name": "summary", "type": "string", "maxLength": 80},
        {"name": "is_urgent", "type": "boolean"},
        {"name": "owner", "type": "string", "optional": True},
        {
            "name": "component",
            "type": "object",
            "properties": [
                {"name": "class", "type": "string", "description": "Kind of the component."},
                {"name": "port", "type": "integer", "minimum": 1, "maximum": 65535, "optional": True},
            ],
        },
        {
            "name": "causes",
            "type": "list",
            "maxItems": 3,
            "items": {
                "type": "object",
                "properties": [
                    {"name": "cause", "type": "string"},
                    {"name": "odds", "type": "number", "minimum": 0, "maximum": 1},
                ],
            },
        },
        {"name": "confidence", "type": "number"},
    ],
    "demonstrations": [
        {
            "input": {"ticket": "The shop's database is down.", "affected_users": 900},
            "output": {
                "severity": "high",
                "score": 9,
                "summary": "Database down",
                "is_urgent": True,
                "component": {"class": "database", "port": 5432},
                "causes": [{"cause": "disk full", "odds": 0.75}],
            },
        },
        {
            "input": {"ticket": "A typo on the front page."},
            "output": {
                "severity": "low",
                "score": 1,
                "summary": "Typo",
                "is_urgent": False,
                "component": {"class": "page"},
                "causes": [],
                "confidence": 0.9,
            },
        },
    ],
}
"""Spec of a CognitiveSignature with every type of a field."""

ANSWER: dict[str, Any] = {
    "severity": "high",
    "score": 7.5,
    "summary": "Cart slow",
    "is_urgent": True,
    "component": {"class": "service"},
    "causes": [{"cause": "cache", "odds": 0.5}],
    "confidence": 0.8,
}
"""Valid outputs of it."""


def manifest(**changes: Any) -> dict[str, Any]:
    """Return the manifest; ``changes`` are those of its spec."""
    return {
        "apiVersion": "cognitive.seedcore.io/v1alpha1",
        "kind": "CognitiveSignature",
        "metadata": {"name": "triage", "namespace": "shop", "generation": 4},
        "spec": SPEC | changes,
    }


def snapshot(**changes: Any) -> dict[str, Any]:
    """Return the signature in the form of the wire; ``changes`` are those of the snapshot."""
    fields = {name: [_snake(each) for each in SPEC[name]] for name in ("inputs", "outputs")}
    return {"name": "triage", "generation": 4, **SPEC, **fields, **changes}


def task_signature(**changes: Any) -> TaskSignature:
    """Return the signature; ``changes`` are those of the snapshot."""
    return Signature.model_validate(snapshot(**changes)).valid_signature()


def _snake(found: dict[str, Any]) -> dict[str, Any]:
    names = {"maxItems": "max_items", "maxLength": "max_length"}
    plain = {names.get(name, name): value for name, value in found.items()}
    if "items" in plain:
        plain["items"] = _snake(plain["items"])
    if "properties" in plain:
        plain["properties"] = [_snake(each) for each in plain["properties"]]
    return plain
