"""State that the operator keeps for each schedule."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from cognitive_operator.api.names import ObjectName
from cognitive_operator.api.schedules import Schedule
from cognitive_operator.ports.kube import Body


@dataclass(frozen=True)
class ScheduleRecord:
    """A schedule as last read, and what this process did for it."""

    name: ObjectName
    schedule: Schedule
    body: Body
    deleted: frozenset[str] = frozenset()
    """UIDs of the tasks whose deletion this process requested."""
    blocked_since: datetime | None = None
    """The last scheduled time that an Event reported as blocked."""

    @property
    def uid(self) -> str:
        """The schedule's UID, which a recreated schedule does not share."""
        return self.schedule.metadata.uid

    @property
    def version(self) -> int:
        """The schedule's resourceVersion."""
        return int(self.body["metadata"]["resourceVersion"])


class ScheduleStore:
    """The newest record of every schedule, and the only writer of records. It belongs to the event loop."""

    def __init__(self) -> None:
        self._records: dict[ObjectName, ScheduleRecord] = {}
        self._names: dict[str, ObjectName] = {}

    def all(self) -> list[ScheduleRecord]:
        """Return all records."""
        return list(self._records.values())

    def get(self, name: ObjectName) -> ScheduleRecord | None:
        """Return a schedule's record, None if it does not exist."""
        return self._records.get(name)

    def name_of(self, uid: str) -> ObjectName | None:
        """Return a schedule's namespace and name, None if it does not exist."""
        return self._names.get(uid)

    def upsert(self, name: ObjectName, schedule: Schedule, body: Body) -> None:
        """Store a newer version of a schedule; the other fields of its record stay."""
        record = self._records.get(name)
        kept = ScheduleRecord(name, schedule, body) if record is None else record
        self._records[name] = replace(kept, schedule=schedule, body=body)
        self._names[schedule.metadata.uid] = name

    def update(self, record: ScheduleRecord, **changes: Any) -> ScheduleRecord:
        """Replace fields of a schedule's newest record, and return it; nothing is stored of a deleted schedule."""
        newest = self.latest(record)
        changed = replace(newest, **changes)
        if self._records.get(record.name) is newest:
            self._records[record.name] = changed
        return changed

    def latest(self, record: ScheduleRecord) -> ScheduleRecord:
        """Return a schedule's newest record; ``record`` itself after it was deleted or recreated."""
        found = self._records.get(record.name)
        return record if found is None or found.uid != record.uid else found

    def delete(self, uid: str) -> bool:
        """Forget a schedule; False if it is not stored."""
        name = self._names.pop(uid, None)
        if name is None:
            return False
        del self._records[name]
        return True
