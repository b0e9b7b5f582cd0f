"""Answers that a model server makes from the schema and the messages of a request."""

import json
import re
from typing import Any

from jsonschema import Draft202012Validator

from support.servers.scripted_model_answers import answer_for

MARKER = re.compile(r"marker-\w+")
OUTPUTS: tuple[dict[str, Any], ...] = (
    {"thought": "", "proposed_solution": "", "confidence_score": 0.5},
    {
        "thought": "",
        "step_by_step_plan": [""],
        "estimated_complexity": 3,
        "complexity_rationale": "",
        "risk_assessment": [""],
    },
    {"reasoning": "", "decision": "", "confidence": 0.5, "alternative_options": [""]},
    {"thought": "", "solution_approach": "", "solution_steps": [""], "success_metrics": [""]},
    {"thought": "", "synthesized_insight": "", "confidence_level": 0.5, "related_patterns": [""]},
    {"thought": "", "capability_gaps": [""], "improvement_plan": [""], "priority_recommendations": [""]},
)
"""Outputs of the six task types, which the messages describe to a server that takes no schema."""


def answer_to(body: dict[str, Any]) -> str:
    """Return the JSON text of an answer whose texts hold the marker of the messages.

    Raises:
        AssertionError: The answer does not satisfy the schema, or the messages describe no known outputs.
    """
    prompt = prompt_of(body)
    text = f"the answer about {marker_of(prompt)}"
    schema = schema_of(body)
    if schema is None:
        return json.dumps(_filled(_described(prompt), text))
    found = answer_for(_without_references(schema, schema), text)
    Draft202012Validator(schema).validate(found)
    return json.dumps(found)


def draft_of(body: dict[str, Any]) -> str:
    """Return a text of thinking, with a draft of the answer that must not be taken for it."""
    draft = answer_to(body).replace("the answer", "a draft")
    return f"Perhaps {draft} would do, but {{that}} is no answer yet."


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema that the request asks for, or None."""
    found: dict[str, Any] | None = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return found


def prompt_of(body: dict[str, Any]) -> str:
    """Return the texts of all messages."""
    return "\n".join(str(message["content"]) for message in body["messages"])


def marker_of(prompt: str) -> str:
    """Return the marker within the messages."""
    found = MARKER.search(prompt)
    assert found, "the messages hold no marker of the input"
    return found.group()


def _described(prompt: str) -> dict[str, Any]:
    """Return the outputs that are all named in the messages."""
    named = [each for each in OUTPUTS if all(re.search(rf"\b{name}\b", prompt) for name in each)]
    assert named, "the messages name the outputs of no task type"
    return max(named, key=len)


def _filled(outputs: dict[str, Any], text: str) -> dict[str, Any]:
    filled: dict[type, Any] = {str: text, list: [text]}
    return {name: filled.get(type(value), value) for name, value in outputs.items()}


def _without_references(schema: Any, root: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_without_references(each, root) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _without_references(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    return {name: _without_references(each, root) for name, each in schema.items()}
