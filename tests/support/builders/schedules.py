"""A schedule of every ten minutes, and times of its day."""

from datetime import UTC, datetime
from typing import Any

MADE = datetime(2026, 11, 21, 6, 0, 10, tzinfo=UTC)
NAME = ("team", "scan")
UID = "uid-scan"


def schedule_body(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a schedule of every ten minutes, made at MADE."""
    template = {
        "metadata": {"labels": {"team": "sre"}},
        "spec": {"agentRef": {"name": "sre"}, "type": "T", "input": {}},
    }
    meta = {"name": "scan", "namespace": "team", "uid": UID, "generation": 1, "resourceVersion": "1"}
    meta["creationTimestamp"] = MADE.isoformat()
    base = {"schedule": "*/10 * * * *", "taskTemplate": template}
    return {"metadata": meta, "spec": base | spec, "status": status or {}}


def at(clock: str, *, day: int = 21) -> datetime:
    """Return a time of a day of November 2026, in UTC."""
    return datetime.fromisoformat(f"2026-11-{day}T{clock}+00:00")
