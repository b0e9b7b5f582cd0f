"""Bearer token in a file that is rotated."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

TOKEN_KEPT_S: Final = 60.0
"""Interval at which the file is read: a mounted token is replaced well before it expires."""


class TokenFile:
    """Authorization header with the bearer token of a file."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._header = ""
        self._read_at = -TOKEN_KEPT_S

    def __call__(self) -> str:
        """Return the header; the last known one while the file cannot be read."""
        now = self._monotonic()
        if now - self._read_at >= TOKEN_KEPT_S:
            try:
                self._header = f"Bearer {self._path.read_text(encoding='ascii').strip()}"
                self._read_at = now
            except OSError:
                if not self._header:
                    raise
        return self._header
