"""Recognition of the request's parameter that a server refuses."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from cognitive_runtime.adapters.model.report import ServerReport
from cognitive_runtime.domain.behaviour import TOKEN_LIMITS

RESPONSE_FORMAT: Final = "response_format"
SYSTEM_ROLE: Final = "system_role"
"""Name for messages of the role ``system``, which the templates of some models refuse."""
_REFUSED_STATUS: Final = (400, 415, 422)
"""Status codes of a refused parameter."""
_NO_PROVIDER: Final = re.compile(r"no endpoints found that (support|can handle)", re.IGNORECASE)
"""Messages of OpenRouter, with HTTP 404, if no provider of the model takes the request's parameters."""
_WORDS: Final[Mapping[str, str]] = {
    "top_p": r"top[ _-]?p",
    "temperature": r"temperature",
    "seed": r"seed",
    "frequency_penalty": r"frequency[ _-]?penalt(?:y|ies)",
    "presence_penalty": r"presence[ _-]?penalt(?:y|ies)",
    "max_tokens": r"max[ _-]?tokens",
    "max_completion_tokens": r"max[ _-]?completion[ _-]?tokens",
    "reasoning_effort": r"reasoning[ _.-]?effort",
    "stream_options": r"stream[ _-]?options|include_usage",
    "stream": r"stream(?:ing)?",
    "tools": r"tools?|tool[ _-]?(?:choice|calls?|calling|use)|function[ _-]?call(?:s|ing)?",
    RESPONSE_FORMAT: (
        r"response[ _-]?format|json[ _-]?(?:schema|object|mode|output)|structured[ _-]?outputs?|guided[ _-]\w{1,20}"
        r"|grammar|schema"
    ),
}
"""Spellings of each parameter in the messages of servers and gateways, in order of preference."""
ADAPTABLE: Final = frozenset({*_WORDS, SYSTEM_ROLE})
"""Parameters that the client can leave out or replace."""
_Places = dict[str, tuple[int, int]]
_VAGUE_WORDS: Final[Mapping[str, str]] = {
    "reasoning_effort": r"think|thinking|reasoning",
    "presence_penalty": r"penalt(?:y|ies)",
    "frequency_penalty": r"penalt(?:y|ies)",
    SYSTEM_ROLE: (
        r"messages\[\d{1,3}\]\.role|system[ _-](?:role|message|prompt|instruction)s?"
        r"|developer[ _-](?:role|instruction)s?|roles must alternate|role\W{1,4}system"
    ),
}
"""Words for a parameter that have other meanings, too: they count if there is no other word.

Sources: Ollama and Google (thinking, penalties); Gemma's template, OpenAI's first o-series and Google (system role).
"""


def _patterns(words: Mapping[str, str], joint: str) -> dict[str, re.Pattern[str]]:
    """Return the pattern of each name's words, between characters that are not ``joint``."""
    return {name: re.compile(rf"(?<!{joint})(?:{each})(?!{joint})", re.IGNORECASE) for name, each in words.items()}


_MENTIONS: Final = _patterns(_WORDS, r"\w")
_VAGUE_MENTIONS: Final = _patterns(_VAGUE_WORDS, r"[\w-]")
_KIND_OF_FORM: Final = re.compile(r"""schema|\btype\b(?![\\"']+\s*:)|json_object|grammar""", re.IGNORECASE)
"""Words for the type of ``response_format``. The key ``type`` of a quoted report is none."""
_OUT_OF_RANGE: Final = re.compile(
    r"too (large|high|big|long)|at most|at least|maximum|exceed|greater than|less than|\brange\b|between \d", re.I
)


def is_parameter_refused(report: ServerReport) -> bool:
    """Return True if the failure is a refusal of the request, which a parameter may have caused."""
    return report.status in _REFUSED_STATUS or has_no_provider(report)


def has_no_provider(report: ServerReport) -> bool:
    """Return True if a gateway knows the model, but no provider of it that takes the request's parameters."""
    return report.status == 404 and _NO_PROVIDER.search(report.message) is not None


def refused_parameter(report: ServerReport, sent: Collection[str], extra: Collection[str]) -> str | None:
    """Return the refused one of the parameters that were sent, or None if the report names none of them.

    ``param`` counts first, then the located fields. The message counts if ``param`` is none of the parameters, because
    some servers name the model there. Of several parameters in a message the first one
    counts, but ``top_p`` before ``temperature``, because models that take only one of the two are better asked with
    the temperature.

    Args:
        report: The server's report.
        sent: Names of the request's parameters that can be left out.
        extra: Names of the user's own fields of the body.
    """
    named = next(filter(None, (report.param, *report.fields)), "")
    parameter = _sent_parameter(named, sent, extra) if named else None
    if parameter or report.fields:
        return parameter
    found = _positions(_MENTIONS, report.message, sent) | _positions_of_words(extra, report.message)
    found = found or _positions(_VAGUE_MENTIONS, report.message, sent)
    first = min(found, key=lambda name: found[name], default=None)
    if first == "temperature" and "top_p" in found:
        return "top_p"
    return None if first in TOKEN_LIMITS and _is_out_of_range(report) else first


def names_whole_format(report: ServerReport) -> bool:
    """Return True if the server refuses ``response_format`` as such, and not only its type."""
    return not _KIND_OF_FORM.search(f"{report.param} {report.message}")


def names_other_field(report: ServerReport) -> bool:
    """Return True if the report names a field of the request, but none that can be left out."""
    return bool(report.param or report.fields)


def _sent_parameter(named: str, sent: Collection[str], extra: Collection[str]) -> str | None:
    if named in extra:
        return named
    head = re.split(r"[.\[]", named, maxsplit=1)[0]
    if head in sent or head in extra:
        return head
    patterns = _VAGUE_MENTIONS | _MENTIONS
    return next((name for name in sent if name in patterns and patterns[name].fullmatch(named)), None)


def _positions(patterns: Mapping[str, re.Pattern[str]], message: str, sent: Collection[str]) -> _Places:
    """Return where a message mentions each of the parameters that it mentions: start and negative length."""
    found = ((name, patterns[name].search(message)) for name in sent if name in patterns)
    return {name: (match.start(), match.start() - match.end()) for name, match in found if match}


def _positions_of_words(names: Collection[str], message: str) -> _Places:
    patterns = {name: re.compile(rf"(?<!\w){re.escape(name)}(?!\w)") for name in names}
    return _positions(patterns, message, names)


def _is_out_of_range(report: ServerReport) -> bool:
    """Return True if the value of the token limit is refused, and not its name."""
    if "unsupported" in report.code or all(_MENTIONS[name].search(report.message) for name in TOKEN_LIMITS):
        return False
    return bool(_OUT_OF_RANGE.search(report.message))
