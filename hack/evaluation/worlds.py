"""Scripted tools of a case: their answers depend on the arguments alone, and each call is recorded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from jsonschema import Draft202012Validator

SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
REFUSED: Final = "Refused"
_NO_ENTRY: Final = "There is no entry for these arguments."
_KEYS: Final = frozenset({"name", "description", "arguments", "answers"})


@dataclass(frozen=True)
class ScriptedAnswer:
    """Answer of a tool to some arguments."""

    when: Mapping[str, str]
    """Regular expression for each of some arguments, which must match the whole value, without regard to case."""
    text: str
    is_error: bool

    def matches(self, arguments: Mapping[str, Any]) -> bool:
        """Return True if all expressions match."""
        return all(
            re.fullmatch(pattern, argument_text(arguments, name), re.IGNORECASE) for name, pattern in self.when.items()
        )


@dataclass(frozen=True)
class ScriptedTool:
    """Tool with its answers, the first of which that matches a call is given."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of the arguments, all of which are required."""
    answers: tuple[ScriptedAnswer, ...]


@dataclass(frozen=True)
class ToolAnswer:
    """Outcome of one call."""

    outcome: str
    """``Succeeded``, ``Failed`` for an error of the tool, or ``Refused`` for a call that no tool has received."""
    text: str


@dataclass
class World:
    """Tools of one run of a case, with the record of their calls."""

    tools: tuple[ScriptedTool, ...]
    calls: list[dict[str, Any]] = field(default_factory=list)
    """``tool``, ``arguments`` and ``outcome`` of each call, in their order."""

    def call(self, name: str, arguments: Any) -> ToolAnswer:
        """Call a tool and record the call."""
        answer = self._answer(name, arguments)
        self.calls.append({"tool": name, "arguments": arguments, "outcome": answer.outcome})
        return answer

    def _answer(self, name: str, arguments: Any) -> ToolAnswer:
        tool = next((each for each in self.tools if each.name == name), None)
        if tool is None:
            return ToolAnswer(REFUSED, "There is no tool of this name.")
        for error in Draft202012Validator(tool.schema).iter_errors(arguments):
            return ToolAnswer(REFUSED, f"The arguments do not fit the schema: {error.message}")
        found = next((each for each in tool.answers if each.matches(arguments)), None)
        if found is None:
            return ToolAnswer(FAILED, _NO_ENTRY)
        return ToolAnswer(FAILED if found.is_error else SUCCEEDED, found.text)


def read_tools(found: Sequence[Mapping[str, Any]]) -> tuple[ScriptedTool, ...]:
    """Return the tools of a case's file.

    Raises:
        ValueError: A tool has missing or unknown keys, an invalid schema or an answer without text.
    """
    return tuple(map(_tool, found))


def played(tools: tuple[ScriptedTool, ...], calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the calls as a run records them that makes exactly these calls."""
    world = World(tools)
    for each in calls:
        world.call(each["tool"], each["arguments"])
    return world.calls


def _tool(found: Mapping[str, Any]) -> ScriptedTool:
    if set(found) != _KEYS:
        raise ValueError(f"tool {found.get('name')}: expected exactly the keys {', '.join(sorted(_KEYS))}")
    properties = found["arguments"]
    schema = {"type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False}
    Draft202012Validator.check_schema(schema)
    answers = tuple(_scripted(found["name"], set(properties), each) for each in found["answers"])
    return ScriptedTool(found["name"], found["description"], schema, answers)


def _scripted(tool: str, names: set[str], found: Mapping[str, Any]) -> ScriptedAnswer:
    when, texts = found.get("when", {}), {key: found[key] for key in ("answer", "error") if key in found}
    if set(found) - {"when"} != set(texts) or len(texts) != 1 or set(when) - names:
        raise ValueError(f"tool {tool}: an answer has answer or error, and when with arguments of the tool")
    for pattern in when.values():
        re.compile(pattern)
    return ScriptedAnswer(when, next(iter(texts.values())), "error" in texts)


def argument_text(arguments: Mapping[str, Any], name: str) -> str:
    """Return an argument as text, empty if it is missing. A whole number has no decimals: ``60.0`` is ``60``."""
    value = arguments.get(name, "")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
