"""Finding of a check: passed, failed or skipped, with the problem and its remedy."""

from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """Status of a check."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """Finding of one check. It never contains the content of a secret."""

    status: CheckStatus
    message: str
    hint: str = ""
    """Remedy of the problem."""
    blocks: bool = False
    """True if the checks that depend on this one are skipped."""


def passed(message: str) -> Finding:
    """Return the finding of a check that passed."""
    return Finding(CheckStatus.OK, message)


def failed(message: str, hint: str) -> Finding:
    """Return the finding of a check that failed, with the remedy."""
    return Finding(CheckStatus.FAILED, message, hint, blocks=True)


def skipped(message: str, hint: str = "", *, blocks: bool = False) -> Finding:
    """Return the finding of a check that could not run."""
    return Finding(CheckStatus.SKIPPED, message, hint, blocks=blocks)
