"""The cause of a Ray job's failure, from the last lines of its log, without control characters and secrets."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cognitive_operator.api.bounds import clean_text
from cognitive_operator.api.conditions import Reason
from cognitive_operator.ports.ray import RayJob

SHOWN_LINES: Final = 2
SHOWN_CHARS: Final = 512
_READ_CHARS: Final = 65_536
CONNECTED: Final = "BrokerConnected"
CAUSES: Final = {Reason.BROKER_UNREACHABLE, Reason.CREDENTIALS_NOT_MOUNTED}
"""Events of the runtime that are reasons of conditions. Source: the section Ray jobs of ``docs/reference/wire.md``."""
EXIT_CODES: Final = {6: Reason.BROKER_UNREACHABLE, 7: Reason.CREDENTIALS_NOT_MOUNTED}
"""Source: the exit codes in ``docs/reference/wire.md``."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ACTOR: Final = re.compile(r"^\(\w[\w.]* pid=\d+[^)]*\)\s*")
"""Prefix that Ray puts before the lines of an actor."""
_SECRETS: Final = (
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://)[^/\s@]+@"), r"\1"),
    (re.compile(r"(?i)([?&][\w-]+=)[^&\s'\"]+"), r"\1…"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+"), r"\1 …"),
    (
        re.compile(
            r"(?i)([\w-]*(?:api[-_]?key|token|passw(?:or)?d|secret|authorization)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
        ),
        r"\1…",
    ),
    (re.compile(r"\beyJ[\w-]{8,}[\w.-]*"), "…"),
    (re.compile(r"\bS[ACNOUX][A-Z2-7]{40,}"), "…"),
    (re.compile(r"\b(?:sk|pk|rk|ghp|gho|hf|xox[a-z])[-_][\w-]{8,}"), "…"),
    (re.compile(r"[A-Za-z0-9+_=-]{64,}"), "…"),
)
"""User and password of URLs, queries, HTTP credentials, assignments to names of secrets, JSON web tokens, NATS seeds,
keys of providers, and long opaque texts."""


@dataclass(frozen=True)
class JobCause:
    """The cause of a job's silence or end."""

    reason: Reason | None
    """BrokerUnreachable or CredentialsNotMounted; None: the log does not tell."""
    text: str
    """The last lines of the log; empty if it has none."""


def read_log(log: str) -> JobCause:
    """Return the cause that the end of a log tells.

    The last event about the broker counts. Of other JSON lines only the message is shown, because further fields may
    have a model's text.
    """
    lines = [line for raw in log[-_READ_CHARS:].splitlines() if (line := _ACTOR.sub("", _COLOUR.sub("", raw)).strip())]
    for event in _events(lines):
        if event["event"] in CAUSES:
            return JobCause(Reason(event["event"]), redacted(_message(event)))
        if event["event"] == CONNECTED:
            break
    shown = [_message(found) if (found := _json_object(line)) else line for line in lines[-SHOWN_LINES:]]
    return JobCause(None, redacted(" ".join(filter(None, shown))))


def ended_job(job: RayJob) -> JobCause:
    """Return the cause of a job's end: of the exit codes for an unreachable broker, the log's own sentence."""
    reason = EXIT_CODES.get(job.exit_code) if job.exit_code is not None else None
    head, _, log = job.message.partition("\n")
    cause = read_log(log)
    if reason is not None:
        return JobCause(reason, cause.text or redacted(head))
    if not cause.text:
        return JobCause(None, redacted(head))
    return JobCause(None, f"{redacted(head).rstrip(':')}: {cause.text}")


def redacted(text: str) -> str:
    """Return a text on one line, of at most SHOWN_CHARS characters from its end, without what looks like a secret."""
    line = " ".join(text.split())
    for pattern, replacement in _SECRETS:
        line = pattern.sub(replacement, line)
    return clean_text(line if len(line) <= SHOWN_CHARS else f"…{line[1 - SHOWN_CHARS :]}", SHOWN_CHARS)


def _events(lines: list[str]) -> Iterator[dict[str, Any]]:
    for line in reversed(lines):
        found = _json_object(line)
        if found is not None and isinstance(found.get("event"), str):
            yield found


def _json_object(line: str) -> dict[str, Any] | None:
    """Return the JSON object at the beginning of a line, which Ray may follow by a note about repetitions."""
    if not line.startswith("{"):
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _message(found: dict[str, Any]) -> str:
    message = found.get("message")
    return message if isinstance(message, str) else ""
