"""Extraction of the error from a container's last output."""

import re
from typing import Final

CHARACTERS: Final = 400
_ERROR: Final = re.compile(r"\b[A-Za-z_.]*(Error|Exception|error)\b ?:")
_HINTS: Final = ("see root cause above", "see stack trace", "see error message above")
"""Parts of errors that only refer to another error."""


def container_error(output: str) -> str:
    """Return the last error in the output, else its last line; on one line, at most 400 characters."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line)]
    telling = [line for line in errors if not any(hint in line.lower() for hint in _HINTS)]
    chosen = (telling or errors or lines or [""])[-1]
    found = _ERROR.search(chosen)
    start = found.start() if found else 0
    return " ".join(chosen[start:].split())[:CHARACTERS]
