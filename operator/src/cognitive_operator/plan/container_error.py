"""What of a container's last output says why it ended."""

import re
from typing import Final

CHARACTERS: Final = 400
_ERROR: Final = re.compile(r"\b[A-Za-z_.]*(Error|Exception|error)\b ?:")
_HINTS: Final = ("see root cause above", "see stack trace", "see error message above")
"""Errors that only tell of another one."""


def container_error(output: str) -> str:
    """Return the last error that the output tells of, else its last line; on one line, at most 400 characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    telling = [line for line in errors if not any(hint in line.lower() for hint in _HINTS)]
    chosen = (telling or errors or lines or [""])[-1]
    found = _ERROR.search(chosen)
    start = found.start() if found else 0
    return " ".join(chosen[start:].split())[:CHARACTERS]
