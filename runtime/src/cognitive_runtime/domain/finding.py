"""What an examination finds: is a part as it must be, and if not, what is wrong and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class CheckStatus(StrEnum):
    """What came of a check."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What one check found. It never holds the content of a secret."""

    status: CheckStatus
    message: str
    hint: str = ""
    """What to do about it."""
    blocks: bool = False
    """Whether the checks that build on this one can find nothing."""


def passed(message: str) -> Finding:
    """Return that all is well."""
    return Finding(CheckStatus.OK, message)


def failed(message: str, hint: str) -> Finding:
    """Return what is wrong and what to do."""
    return Finding(CheckStatus.FAILED, message, hint, blocks=True)


def skipped(message: str, hint: str = "", *, blocks: bool = False) -> Finding:
    """Return why there is nothing to say."""
    return Finding(CheckStatus.SKIPPED, message, hint, blocks=blocks)
