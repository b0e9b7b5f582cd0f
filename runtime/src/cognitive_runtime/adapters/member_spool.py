"""Answers of finished members of deliberations on the worker's disk, for the next attempt of the same task."""

import json
import logging
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from cognitive_runtime.domain import ExecutionRequest, Reasoning, cache_key

MAX_AGE_S: Final = 24 * 3600.0
"""Age at which the answers of a task are removed. Source: the time for which the broker keeps a request."""
_FOLDER: Final = "members"
_LOGGER: Final = logging.getLogger(__name__)
_REASONING: Final = TypeAdapter(Reasoning)


class MemberSpool:
    """Implements ``IMemberStore`` with a folder for each task, readable only by the executor's user.

    Files are written atomically, by rename. They survive the process, but not the node. An answer is used only for an
    equal request to the same member of the same task, and only by the same release.
    """

    def __init__(self, root: Path, release: str) -> None:
        """Take the folder of the spool, and the release of the runtime, which decides how a request is prompted."""
        self._root = root
        self._release = release

    def load(self, request: ExecutionRequest) -> Reasoning | None:
        """Return the answer to an equal request of the same member of the same task, or None."""
        try:
            found = json.loads(self._path(request).read_bytes())
            if found["key"] != self._key(request):
                return None
            return _REASONING.validate_python(found["reasoning"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            _log("unreadable answer of a member", request, error)
            return None

    def save(self, request: ExecutionRequest, reasoning: Reasoning) -> None:
        """Store the answer of a member. An answer that cannot be stored is no error."""
        path = self._path(request)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        content = {"key": self._key(request), "reasoning": _REASONING.dump_python(reasoning, mode="json")}
        try:
            if not path.parent.exists():
                self._remove_old(path.parent.parent)
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(json.dumps(content).encode())
            draft.replace(path)
        except OSError as error:
            _log("cannot store the answer of a member", request, error)

    def clear(self, request: ExecutionRequest) -> None:
        """Remove the answers of the task."""
        shutil.rmtree(self._folder(request), ignore_errors=True)

    def _folder(self, request: ExecutionRequest) -> Path:
        return self._root / request.agent_uid / _FOLDER / request.task_uid

    def _path(self, request: ExecutionRequest) -> Path:
        number = request.member.number if request.member else 0
        return self._folder(request) / f"{number}.json"

    def _key(self, request: ExecutionRequest) -> str:
        """Return a digest of all that the answer depends on, without the memory of the worker."""
        if (request.context_sources or {}).get("memory") == "executor":
            context = {name: value for name, value in request.context.items() if name != "memory"}
            request = replace(request, context=context)
        return cache_key(request, self._release).digest

    def _remove_old(self, folder: Path) -> None:
        """Remove the answers of tasks that had no further attempt."""
        for each in folder.glob("*"):
            if time.time() - each.stat().st_mtime > MAX_AGE_S:
                shutil.rmtree(each, ignore_errors=True)


def _log(message: str, request: ExecutionRequest, error: Exception) -> None:
    known = {"event": "MemberSpoolFailed", "attempt": request.attempt_id, "error": type(error).__name__}
    _LOGGER.warning(message, extra=known)
