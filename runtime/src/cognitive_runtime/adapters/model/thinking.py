"""Separation of a model's thinking from its answer within one text.

Models write their thinking before the answer, between tags or in channels. The opening tag is often missing, because
chat templates end with it. A tag within the JSON object of the answer is part of the answer.

Sources of the forms: the chat templates of DeepSeek-R1, Qwen3 and QwQ (``<think>``), Magistral (``[THINK]``), gpt-oss
(OpenAI's harmony format; what servers leave of it: llama-farm/llamafarm#753, ggml-org/llama.cpp#15181), Gemma 4
(``<|channel>thought``), MedGemma (``<unused94>``), Kimi (``◁think▷``), Cohere (``<|START_THINKING|>``), Seed-OSS
(``<seed:think>``), Apertus (``<|inner_prefix|>``) and OpenThoughts (``<|begin_of_thought|>``); Gemini's ``<thought>``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cognitive_runtime.adapters.model.json_spans import ObjectScanner

_NAMES: Final = r"(?:seed:)?think(?:ing)?(?:_process)?|thoughts?|chain_of_thought|reasoning|reflection|scratchpad"
_HEADER: Final = r"(?:[^<>|{}\n]{0,80}(?:<\|constrain\|>[^<>|{}\n]{0,80})?<\|message\|>|\s{0,4}:)?"
"""Rest of a channel's header in the harmony format, such as a recipient. Servers drop some of its marks."""
_CALLED: Final = r"commentary\s{1,4}to=[^<>|{}\n]{1,80}(?:<\|constrain\|>[^<>|{}\n]{0,80})?<\|message\|>"
"""Rest of the header of a tool's call, whose arguments may be the answer."""
_OPENING: Final = (
    rf"<(?:{_NAMES})(?:\s[^<>]{{0,80}})?>|\[THINK\]|◁think▷|<\|START_THINKING\|>|<\|begin_of_thought\|>"
    rf"|<\|inner_prefix\|>|<unused94>(?:thought)?|<\|channel>(?:\s{{0,4}}thought)?"
    rf"|<\|channel\|>\s{{0,4}}(?:analysis|commentary){_HEADER}"
)
_CLOSING: Final = (
    rf"</(?:{_NAMES})\s{{0,4}}>|\[/THINK\]|◁/think▷|<\|END_THINKING\|>|<\|end_of_thought\|>|<\|inner_suffix\|>"
    rf"|<unused95>|<channel\|>|assistantfinal(?: ?json)?|<\|channel\|>\s{{0,4}}(?:final{_HEADER}|{_CALLED})"
    r"|<\|start\|>(?:assistant|final)?\s{0,4}(?:<\|constrain\|>[^<>|{}\n]{0,80})?<\|message\|>"
)
_WRAPPING: Final = (
    r"<\|start\|>(?:assistant)?|<\|(?:channel|message|end|return|call|constrain)\|>|<\|(?:START|END)_RESPONSE\|>"
    r"|<\|(?:begin|end)_of_solution\|>|<turn\|>"
)
_MARK: Final = re.compile(rf"(?P<closing>{_CLOSING})|(?P<opening>{_OPENING})|(?P<wrapping>{_WRAPPING})", re.IGNORECASE)
_START: Final = r"<(?=[/|a-zA-Z])|\[(?=/?[tT])|◁|assistantfinal"
_START_OF_MARK: Final = re.compile(_START)
"""Possible starts of marks. Its alternatives start with plain characters, which makes the search fast."""
_START_OF_ANY: Final = re.compile(rf"{_START}|\{{")
_PLAIN_FINAL: Final = "assistantfinal"
"""Header of harmony's final channel as servers print it that drop the special tokens: ``analysis…assistantfinal…``."""
_END_OF_MESSAGE: Final = "<|end|>"
_AFTER_MESSAGE: Final = re.compile(r"\s{0,8}(?:<\||\Z)")
_BEGINS_OBJECT: Final = re.compile(
    r"""\{\s*+(?:"[^"\n]{1,100}+"|'[^'\n]{1,100}+'|“[^”\n]{1,100}+”|[A-Za-z_]\w{0,63}+)\s*+[:\uff1a]"""
)
_OBJECT_STARTS: Final = ("{", "```")
_TAIL_OF_OBJECT: Final = re.compile(r"\}\s*(?:```\s*)?\Z")


@dataclass(frozen=True)
class Separated:
    """A model's text, apart from its thinking."""

    answer: str
    thinking: str = ""
    is_open: bool = False
    """True if the text ends within the thinking. There is no answer then."""


@dataclass
class _Found:
    """Marks outside of JSON objects, as far as the text is read."""

    marks: list[tuple[int, int]] = field(default_factory=list)
    """Start and end of each mark."""
    boundaries: list[int] = field(default_factory=lambda: [0])
    """Positions at which an answer may begin: the start, and after each end of thinking."""
    opening: int | None = None
    """Position of the first opening tag after the last boundary and before any object."""
    has_object: bool = False
    """True if there is an object after the last boundary."""
    end: int | None = None
    """Position of the mark that ends the message after the last boundary."""
    late: int | None = None
    """Position of the first opening tag after an object."""
    depth: int = 0
    """Number of opening tags without their closing ones."""
    earlier: tuple[int, int] | None = None
    """Start and end of the last text between blocks of thinking that begins with an object."""

    def open(self, position: int) -> None:
        """Take an opening tag."""
        self.depth += 1
        if self.has_object:
            self.late = self.late or position
        elif self.opening is None:
            self.opening = position

    def close(self, text: str, start: int, end: int) -> None:
        """Take a closing tag. The text before a block, or before a tag that closes none, may be the answer."""
        begin = self.boundaries[-1]
        is_superfluous = self.depth == 0 and len(self.boundaries) > 1
        stop = self.late or (start if is_superfluous else None)
        if self.opening is None and stop and text[begin:stop].lstrip().startswith(_OBJECT_STARTS):
            self.earlier = (begin, stop)
        self.depth = max(0, self.depth - 1)
        self.begin(end)

    def begin(self, position: int) -> None:
        """Begin a new answer: the text before it is thinking."""
        self.boundaries.append(position)
        self.opening, self.has_object, self.end, self.late = None, False, None, None

    def wrap(self, text: str, start: int, end: int) -> None:
        """Take a mark around an answer, which is no part of it."""
        if len(self.boundaries) == 1 or self.end is not None:
            return
        if text[self.boundaries[-1] : start].strip():
            self.end = start
        else:
            self.boundaries[-1] = end


def separate(text: str) -> Separated:
    """Return answer and thinking of a text. Takes linear time."""
    if _START_OF_MARK.search(text) is None:
        return Separated(text)
    found = _Found()
    for kind, start, end in _outside_objects(text):
        if kind != "object":
            found.marks.append((start, end))
        if kind == "closing":
            found.close(text, start, end)
        elif kind == "object":
            found.has_object = True
        elif kind == "opening":
            found.open(start)
        elif kind == "wrapping" and found.opening is not None and _ends_thinking(text, start, end):
            found.begin(end)
        elif kind == "wrapping":
            found.wrap(text, start, end)
    return _divide(text, found)


def _ends_thinking(text: str, start: int, end: int) -> bool:
    """Return True if a message of thinking ends, and the answer follows without the header of a channel."""
    return text[start:end].lower() == _END_OF_MESSAGE and not _AFTER_MESSAGE.match(text, end)


def _divide(text: str, found: _Found) -> Separated:
    begin, opening = found.boundaries[-1], found.opening
    if opening is not None and (found.has_object or not _unmarked(text, found.marks, begin, opening)):
        return Separated("", _unmarked(text, found.marks, 0, len(text)), is_open=True)
    if found.earlier and not text[begin:].strip():
        begin, end = found.earlier
        thinking = (_unmarked(text, found.marks, 0, begin), _unmarked(text, found.marks, end, len(text)))
        return Separated(text[begin:end].strip(), "\n\n".join(filter(None, thinking)))
    begin = _before_tail(text, found.boundaries)
    if not begin:
        return Separated(text)
    return Separated(text[begin : found.end].strip(), _unmarked(text, found.marks, 0, begin))


def _before_tail(text: str, boundaries: list[int]) -> int:
    """Return the last boundary, or an earlier one if the text after it is the tail of an object.

    The tag is then within an object that is no valid JSON, for example with a trailing comma.
    """
    last = boundaries[-1]
    brace = max((match.start() for match in _BEGINS_OBJECT.finditer(text)), default=-1)
    if brace >= last or not _TAIL_OF_OBJECT.search(text, max(last, len(text) - 100)):
        return last
    return max((each for each in boundaries if each <= brace), default=0)


def _outside_objects(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind, start and end of each mark, and of each complete JSON object. Marks within objects are left out."""
    scanner, position = ObjectScanner(text), 0
    while found := (_START_OF_MARK if scanner.is_exhausted else _START_OF_ANY).search(text, position):
        start = found.start()
        position = start + 1
        if text[start] == "{":
            end = scanner.end_of_object(start)
            if end is not None:
                yield "object", start, end
                position = end
        elif mark := _MARK.match(text, start):
            yield mark.lastgroup or "", start, mark.end()
            position = mark.end()


def _unmarked(text: str, marks: list[tuple[int, int]], begin: int, end: int) -> str:
    """Return a part of the text without its marks."""
    pieces = []
    for start, after in marks:
        if begin <= start < end:
            pieces.append(text[begin:start])
            begin = after
    plain = "".join((*pieces, text[begin:end])).strip()
    return plain.removeprefix("analysis") if _PLAIN_FINAL in text else plain
