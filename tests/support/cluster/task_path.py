"""Runs the operator and records the source files that one task passes through; started as a module.

Two parts are recorded: ``request``, from the task's watch event to the first call of the NATS adapter, which publishes
the request, and ``status``, from the response's delivery to the call that patches the task's status. A context variable
separates the task from everything else that the operator does meanwhile: asyncio copies it into each task and each
timer that the code on the path starts.
"""

import json
import os
import sys
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import cognitive_operator
from cognitive_operator.__main__ import main

ROOT = Path(cognitive_operator.__file__).parent
OUT_VARIABLE = "TASK_PATH_FILE"
"""Environment variable with the path of the file that the record is written to, as JSON."""
PART: ContextVar[str | None] = ContextVar("part", default=None)


class PathRecorder:
    """Records the files of all calls that belong to a part; writes them to a file when both parts are complete."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._names: dict[str, str | None] = {}
        self._files: dict[str, list[str]] = {"request": [], "status": []}
        self._ended: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Handle an event of ``sys.setprofile``."""
        if event != "call" or frame.f_code.co_name in ("<module>", "<lambda>"):
            return
        name = self._name(frame.f_code.co_filename)
        if name is None:
            return
        self._begin(name, frame)
        part = PART.get()
        if part is None or part in self._ended:
            return
        if name not in self._files[part]:
            self._files[part].append(name)
        self._end(part, name, frame.f_code.co_name)

    def _name(self, path: str) -> str | None:
        if path not in self._names:
            is_own = path.startswith(f"{ROOT}/")
            self._names[path] = str(Path(path).relative_to(ROOT)) if is_own else None
        return self._names[path]

    def _begin(self, name: str, frame: FrameType) -> None:
        if name == "handlers/registry.py" and "event" in frame.f_locals:
            event = frame.f_locals["event"]
            if event["object"]["kind"] == "CognitiveTask" and event["type"] != "DELETED":
                PART.set("request")
        elif name == "reconcile/task/inbox.py" and "delivery" in frame.f_locals and PART.get() is None:
            PART.set("status")

    def _end(self, part: str, name: str, function: str) -> None:
        is_published = part == "request" and name.startswith("adapters/nats/")
        is_written = part == "status" and name.startswith("adapters/kube/") and function.startswith("patch")
        if is_published or is_written:
            self._ended.add(part)
        if len(self._ended) == len(self._files):
            sys.setprofile(None)
            self._out.write_text(json.dumps(self._files), encoding="utf-8")


if __name__ == "__main__":
    sys.setprofile(PathRecorder(Path(os.environ[OUT_VARIABLE])))
    sys.exit(main([]))
