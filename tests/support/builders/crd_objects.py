"""Builders of custom resources as a user would send them, and of values that a schema allows."""

import copy
import json
from collections.abc import Mapping
from typing import Any, Final

from support.builders.crd_schema import FieldPath, Schema

Manifest = dict[str, Any]
Refused = tuple[dict[str, Any], tuple[str, ...]]
"""Fields of a spec that is refused, and words of the message."""
API_VERSION: Final = "cognitive.seedcore.io/v1alpha1"
INPUTS: Final[dict[str, dict[str, Any]]] = {
    "FailureAnalysis": {"error_message": "exit code 137"},
    "TaskPlanning": {"task_description": "Move the shop to a new node pool."},
    "DecisionMaking": {"decision_context": {"options": ["roll back", "wait"]}},
    "ProblemSolving": {"problem_statement": "Checkout is slow."},
    "MemorySynthesis": {"memory_fragments": [{"content": "OOM at 20:00"}], "synthesis_goal": "Find the cause."},
    "CapabilityAssessment": {
        "performance_data": {"incidents": 23},
        "current_capabilities": {},
        "target_capabilities": {"tracing": 0.8},
    },
    "Proposal": {"task_description": "Speed up the cart."},
}
"""The least input of each type."""


def agent(name: str = "sre", **spec: Any) -> Manifest:
    """Return an agent with some spec fields set."""
    llm = {"model": "gemma-3-270m-it", "endpoint": "http://llm.models.svc:8000/v1"}
    base = {"llm": llm, "ray": {"address": "http://ray-head.ray.svc:8265"}}
    return _manifest("CognitiveAgent", name, merged(base, spec))


def own_ray(**cluster: Any) -> dict[str, Any]:
    """Return the spec of an agent with a Ray cluster of its own."""
    return {"ray": {"address": None, "cluster": cluster}}


def task(name: str = "why", kind_of: str = "FailureAnalysis", **spec: Any) -> Manifest:
    """Return a task of a type with its least input and some spec fields set."""
    base = {"agentRef": {"name": "sre"}, "type": kind_of, "input": copy.deepcopy(INPUTS[kind_of])}
    return _manifest("CognitiveTask", name, base | spec)


def signature(name: str = "triage", **spec: Any) -> Manifest:
    """Return a signature with every type of field, two levels deep, and some spec fields set."""
    finding = [
        {"name": "title", "type": "string", "maxLength": 80},
        {"name": "steps", "type": "list", "items": {"type": "string"}, "optional": True},
    ]
    base: dict[str, Any] = {
        "instructions": "Judge the log.",
        "module": "ChainOfThought",
        "inputs": [
            {"name": "log", "type": "string", "description": "The log."},
            {"name": "retries", "type": "integer"},
        ],
        "outputs": [
            {"name": "verdict", "type": "enum", "values": ["low", "high"]},
            {"name": "score", "type": "number", "minimum": 0, "maximum": 1},
            {"name": "is_known", "type": "boolean", "optional": True},
            {"name": "findings", "type": "list", "maxItems": 5, "items": {"type": "object", "properties": finding}},
        ],
        "demonstrations": [
            {
                "input": {"log": "OOM", "retries": 2},
                "output": {"verdict": "high", "score": 0.9, "findings": [{"title": "memory"}]},
            }
        ],
    }
    return _manifest("CognitiveSignature", name, base | spec)


def source(as_: str, **fields: Any) -> dict[str, Any]:
    """Return an entry of a task's ``inputFrom``: a key of a ConfigMap, unless it says otherwise."""
    return {"as": as_, "configMapKeyRef": {"name": "notes", "key": "text"}, **fields}


def spec_id(value: Any) -> str:
    """Return the id of a parametrised spec: its beginning."""
    return json.dumps(value)[:60] if isinstance(value, dict) else ""


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested objects with others laid over them."""
    result = dict(copy.deepcopy(base))
    for key, value in patch.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def nested(path: FieldPath, value: Any) -> dict[str, Any]:
    """Return the objects that hold a value at a path."""
    for name in reversed(path):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def at(value: Any, path: FieldPath) -> Any:
    """Return what an object has at a path, None if it has nothing there."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def with_one_source(spec: Schema) -> Schema:
    """Return a task's schema whose samples are accepted: of the sources that an input may have, one.

    The first method of selection is Majority, which has no judge.
    """
    found = copy.deepcopy(spec)
    del found["properties"]["deliberation"]["properties"]["selection"]["properties"]["judgeRef"]
    for other in ("secretKeyRef", "taskRef"):
        del found["properties"]["inputFrom"]["items"]["properties"][other]
    return found


def sample(schema: Schema, variant: int) -> Any:
    """Return a value that a schema allows; another variant (0 or 1) is another value, in every field."""
    if "properties" in schema:
        return {name: sample(child, variant) for name, child in schema["properties"].items()}
    if schema.get("type") == "array":
        return [sample(schema["items"], variant)]
    return schema["enum"][variant] if "enum" in schema else _scalar(schema, variant)


def _scalar(schema: Schema, variant: int) -> Any:
    match schema.get("type"):
        case "string":
            return f"text-{variant}"
        case "boolean":
            return bool(variant)
        case "integer":
            return schema["minimum"] + variant
        case "number":
            return schema["maximum"] - variant * (schema["maximum"] - schema["minimum"]) / 2
    return {"key": f"value-{variant}"}


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}
