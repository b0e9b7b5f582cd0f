"""Spool of unpublished responses on the worker's disk."""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_LOGGER: Final = logging.getLogger(__name__)
_SUFFIX: Final = ".json"
_REJECTED: Final = ".rejected"


@dataclass(frozen=True)
class SpooledResponse:
    """Response that any process can publish: it is signed already and contains no key."""

    attempt_id: str
    subject: str
    payload: str
    headers: dict[str, str] = field(default_factory=dict)
    large_result: str | None = None
    """JSON to store in the agent's object bucket before the response is published."""
    large_result_name: str | None = None
    large_reasoning: str | None = None
    """Text to store in the same bucket before the response is published."""
    large_reasoning_name: str | None = None
    further_objects: dict[str, str] | None = None
    """Further texts to store in the same bucket before the response is published, by their names."""
    claim_key: str | None = None
    claim_value: str | None = None
    """Value to store as the claim once the response is in the stream."""

    @property
    def objects(self) -> dict[str, bytes]:
        """Objects to store before the response is published, by their names."""
        named: list[tuple[str | None, str | None]] = [
            (self.large_result_name, self.large_result),
            (self.large_reasoning_name, self.large_reasoning),
            *(self.further_objects or {}).items(),
        ]
        return {name: content.encode() for name, content in named if name is not None and content is not None}

    def to_json(self) -> bytes:
        """Return the response as JSON, without absent fields, so that older executors can read most responses."""
        return json.dumps({name: value for name, value in vars(self).items() if value is not None}).encode()


class Spool:
    """Folder of an agent's unpublished responses, readable only by the executor's user.

    Files are written atomically, by rename. They are not synced: they survive the process, but not the node.
    """

    def __init__(self, root: Path, agent_uid: str) -> None:
        self._folder = root / agent_uid

    def save(self, response: SpooledResponse) -> Path | None:
        """Write a response and return its path, or None if the disk refuses it and only memory holds it."""
        target = self._folder / f"{response.attempt_id}{_SUFFIX}"
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(draft, response.to_json())
            draft.replace(target)
        except OSError as error:
            _LOGGER.warning(
                "cannot spool a response", extra={"event": "SpoolFailed", "path": str(target), "error": repr(error)}
            )
            return None
        return target

    def remove(self, path: Path | None) -> None:
        """Delete a published response. A missing file is no error."""
        if path is not None:
            path.unlink(missing_ok=True)

    def pending(self) -> Iterator[tuple[Path, SpooledResponse]]:
        """Yield the responses of earlier processes. Renames unreadable files."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            try:
                yield path, SpooledResponse(**json.loads(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (ValueError, TypeError, OSError) as error:
                _set_aside(path, error)


def _write_private(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _set_aside(path: Path, error: Exception) -> None:
    _LOGGER.error(
        "unreadable spool file", extra={"event": "SpoolUnreadable", "path": str(path), "error": type(error).__name__}
    )
    try:
        path.replace(path.with_suffix(_REJECTED))
    except OSError:
        _LOGGER.warning("cannot rename an unreadable spool file", extra={"event": "SpoolUnreadable", "path": str(path)})
