"""Content of a message: one text, or a list of parts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_THINKING: Final = ("thinking", "reasoning", "thought", "reasoning_content")
_SUMMARIES: Final = ("thinking", "reasoning", "text", "summary", "content")
"""Fields of a thinking part, or of an entry of OpenRouter's ``reasoning_details``, that hold its text."""


@dataclass(frozen=True)
class Content:
    """Texts of a message."""

    text: str = ""
    thinking: str = ""
    refusal: str = ""


def read_content(content: Any) -> Content:
    """Return the texts of a message's content.

    Sources: OpenAI's parts ``text``, ``output_text`` and ``refusal``; Mistral's part ``thinking``, which holds a list
    of text parts; Gemini's mark ``thought``. One part may come without a list. Parts of other types, such as
    references, have no text.

    Raises:
        ValueError: The content is no text and no list of parts.
    """
    if content is None:
        return Content()
    if isinstance(content, str):
        return Content(content)
    if isinstance(content, Mapping) and ("type" in content or "text" in content):
        content = [content]
    if not isinstance(content, list):
        raise ValueError("the content is no text and no list of parts")
    found: dict[str, list[str]] = {"text": [], "thinking": [], "refusal": []}
    for part in content:
        kind, text = _read_part(part)
        found[kind].append(text)
    return Content(*("".join(texts) for texts in found.values()))


def read_thinking(*fields: Any) -> str:
    """Return the text of the first field that holds any: a text, or a list such as ``reasoning_details``."""
    return next((text for text in map(_text, fields) if text), "")


def _read_part(part: Any) -> tuple[str, str]:
    if isinstance(part, str):
        return "text", part
    if not isinstance(part, Mapping):
        return "text", ""
    kind = str(part.get("type", "text")).lower()
    if kind in _THINKING or part.get("thought") is True:
        return "thinking", _first_text(part, _SUMMARIES)
    if kind == "refusal":
        return "refusal", _text(part.get("refusal"))
    return "text", _first_text(part, ("text", "value", "content")) if kind in ("text", "output_text") else ""


def _first_text(part: Mapping[Any, Any], names: Iterable[str]) -> str:
    return next((text for text in (_text(part.get(name)) for name in names) if text), "")


def _text(value: Any) -> str:
    """Return the text of a field: itself, or the texts of a list of parts or of one part."""
    if isinstance(value, str):
        return value
    return "".join(_texts_within(value if isinstance(value, list) else [value]))


def _texts_within(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            yield next((part[name] for name in (*_SUMMARIES, "value") if isinstance(part.get(name), str)), "")
