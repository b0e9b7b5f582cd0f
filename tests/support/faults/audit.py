"""The operator's writes, from the API server's audit log."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from support.faults.evidence import Write

VERBS = ("create", "update", "patch", "delete", "deletecollection")


class AuditLog:
    """Reads on where ``forget`` left it."""

    def __init__(self, path: Path, user: str) -> None:
        self._path = path
        self._user = user
        self._from = 0

    def forget(self) -> None:
        """Skip the entries that the log holds now."""
        self._from = self._path.stat().st_size

    def writes(self) -> Iterator[Write]:
        """Yield the user's successful writes."""
        with self._path.open("rb") as lines:
            lines.seek(self._from)
            for line in lines:
                if line.endswith(b"\n") and (write := self._write(json.loads(line))):
                    yield write

    def _write(self, entry: dict[str, Any]) -> Write | None:
        user = entry.get("impersonatedUser") or entry["user"]
        code, ref = entry.get("responseStatus", {}).get("code", 0), entry.get("objectRef") or {}
        if entry["verb"] not in VERBS or user.get("username") != self._user or not 200 <= code < 300:
            return None
        at_s = datetime.fromisoformat(entry["stageTimestamp"]).timestamp()
        resource = ref.get("resource", "") + (f"/{ref['subresource']}" if ref.get("subresource") else "")
        return Write(at_s, entry["verb"], resource, ref.get("namespace", ""), ref.get("name", ""), code)
