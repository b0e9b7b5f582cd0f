"""Renders CRDs as the API reference; pure."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

TITLE = """# API reference

Written by `make generate` from the files in `crds/`; do not edit. `kubectl explain` shows the same.
"""
RANGES = {
    ("minimum", "maximum"): "",
    ("minLength", "maxLength"): " characters",
    ("minItems", "maxItems"): " items",
    ("minProperties", "maxProperties"): " keys",
}
"""Pairs of a schema's lower and upper bound keywords, with the unit that they count."""
TEMPLATE = "taskTemplate.spec"
"""Field that holds another resource's spec: its fields and rules are documented there."""


def page_of(crds: list[Schema]) -> str:
    """Return the reference of all resources as one page."""
    return "\n".join([TITLE, *(line for crd in crds for line in _resource(crd))]).rstrip() + "\n"


def _resource(crd: Schema) -> Iterator[str]:
    names = crd["spec"]["names"]
    for version in crd["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        yield f"## {names['kind']}\n"
        yield f"`{crd['spec']['group']}/{version['name']}`, short name `{', '.join(names.get('shortNames', []))}`\n"
        yield f"{_text(schema)}\n"
        for part in ("spec", "status"):
            yield f"### {names['kind']} {part}\n"
            yield "| field | type | meaning |\n|---|---|---|"
            yield from _rows(schema["properties"][part], "")
            yield ""
            yield from _rules(schema["properties"][part])


def _rows(schema: Schema, prefix: str) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        required = " **required**" if name in schema.get("required", []) else ""
        yield f"| `{path}`{required} | {', '.join([_type(field), *_limits(field)])} | {_text(field)} |"
        if path == TEMPLATE:
            continue
        yield from _rows(field, f"{path}.")
        yield from _rows(field.get("items", {}), f"{path}[].")
        if isinstance(inner := field.get("additionalProperties"), dict):
            yield from _rows(inner, f"{path}.*.")


def _rules(schema: Schema) -> Iterator[str]:
    messages = [message for message in _messages(schema) if message]
    if messages:
        yield "The API server refuses what breaks one of these rules:\n"
        yield from (f"- {_escaped(message)}" for message in messages)
        yield ""


def _messages(schema: Schema) -> Iterator[str]:
    yield from (rule.get("message", "") for rule in schema.get("x-kubernetes-validations", []))
    for name, field in schema.get("properties", {}).items():
        if name != TEMPLATE.partition(".")[0]:
            yield from _messages(field)
    if isinstance(items := schema.get("items"), dict):
        yield from _messages(items)


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if isinstance(inner := field.get("additionalProperties"), dict):
        return f"map of {_type(inner)}"
    if field.get("format") == "date-time":
        return "time"
    return str(field.get("type", "anything"))


def _text(field: Schema) -> str:
    return _escaped(" ".join(str(field.get("description", "")).split()))


def _limits(field: Schema) -> Iterator[str]:
    if "enum" in field:
        yield "one of " + ", ".join(f"`{value}`" for value in field["enum"])
    for (low, high), unit in RANGES.items():
        yield from _range(field, low, high, unit)
    if "pattern" in field:
        yield f"matches `{_escaped(field['pattern'])}`"
    if "default" in field:
        yield f"default `{_plain(field['default'])}`"


def _range(field: Schema, low: str, high: str, unit: str) -> Iterator[str]:
    above = "more than" if field.get("exclusiveMinimum") and low == "minimum" else "at least"
    match (field.get(low), field.get(high)):
        case (None, None):
            return
        case (minimum, None):
            yield f"{above} {minimum}{unit}"
        case (None, maximum):
            yield f"at most {maximum}{unit}"
        case (minimum, maximum) if above == "at least":
            yield f"{minimum} to {maximum}{unit}"
        case (minimum, maximum):
            yield f"{above} {minimum}, at most {maximum}{unit}"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
