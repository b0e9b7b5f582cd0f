"""Counts writes in an API server's audit log."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

VERBS = ("create", "update", "patch", "delete", "deletecollection")
SYSTEM_USERS = ("system:apiserver", "system:kube-", "system:serviceaccount:kube-system:", "system:node:")
"""Beginnings of the names of Kubernetes' own users, whose writes are not counted."""
NOT_COUNTED = ("leases", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews")
"""Resources whose writes do not depend on the tasks: leader election, and requests without a stored object."""


class AuditLog:
    """Reads an audit log from a position on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.skip()

    def skip(self) -> None:
        """Skip all entries so far."""
        self._position = self._path.stat().st_size

    def writes(self) -> Counter[str]:
        """Return the successful writes since ``skip`` by verb and resource: ``patch cognitivetasks/status``."""
        found: Counter[str] = Counter()
        with self._path.open("rb") as lines:
            lines.seek(self._position)
            for line in lines:
                if line.endswith(b"\n") and (write := _write(json.loads(line))):
                    found[write] += 1
        return found


def _write(entry: dict[str, Any]) -> str | None:
    target, code = entry.get("objectRef") or {}, entry.get("responseStatus", {}).get("code", 0)
    if entry["verb"] not in VERBS or not 200 <= code < 300 or target.get("resource") in NOT_COUNTED:
        return None
    if entry["user"].get("username", "").startswith(SYSTEM_USERS):
        return None
    subresource = f"/{target['subresource']}" if target.get("subresource") else ""
    return f"{entry['verb']} {target.get('resource', '?')}{subresource}"
