"""Responses on the worker's disk, until the broker has them."""

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

_LOGGER: Final = logging.getLogger(__name__)
_SUFFIX: Final = ".json"
_REJECTED: Final = ".rejected"


@dataclass(frozen=True)
class SpooledResponse:
    """All that is needed to publish an outcome, also by another process: it is signed already and holds no key."""

    attempt_id: str
    subject: str
    payload: str
    headers: dict[str, str] = field(default_factory=dict)
    large_result: str | None = None
    """JSON that belongs into the agent's object bucket before the response is published."""
    large_result_name: str | None = None
    claim_key: str | None = None
    claim_value: str | None = None
    """What to store in place of the claim once the response is in the stream."""


class Spool:
    """A folder of an agent's unpublished responses, readable by the executor's own user alone.

    Files appear whole, by rename. They are not synced: they outlive the process, not the node.
    """

    def __init__(self, root: Path, agent_uid: str) -> None:
        self._folder = root / agent_uid

    def save(self, response: SpooledResponse) -> Path | None:
        """Store a response and return its file, None when the disk does not take it: then memory alone holds it."""
        target = self._folder / f"{response.attempt_id}{_SUFFIX}"
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write_private(draft, json.dumps(asdict(response)).encode())
            draft.replace(target)
        except OSError as error:
            _LOGGER.warning(
                "cannot spool a response", extra={"event": "SpoolFailed", "path": str(target), "error": repr(error)}
            )
            return None
        return target

    def remove(self, path: Path | None) -> None:
        """Forget a published response; one that somebody else has removed is no error."""
        if path is not None:
            path.unlink(missing_ok=True)

    def pending(self) -> Iterator[tuple[Path, SpooledResponse]]:
        """Yield what earlier processes could not publish; sets aside what cannot be read."""
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
        _LOGGER.warning("cannot set it aside", extra={"event": "SpoolUnreadable", "path": str(path)})
