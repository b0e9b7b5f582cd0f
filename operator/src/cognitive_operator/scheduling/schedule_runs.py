"""The tasks of schedules."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from cognitive_operator.api.schedule_run import ScheduleRun, schedule_run_of


class ScheduleRuns:
    """The tasks of all schedules, by the UID of their schedule."""

    def __init__(self) -> None:
        self.wake: Callable[[str], None] = _ignore
        """Called with the UID of a schedule one of whose tasks is new, has ended or is deleted."""
        self._runs: dict[str, dict[str, ScheduleRun]] = defaultdict(dict)
        self._gone: dict[str, dict[str, ScheduleRun]] = defaultdict(dict)
        self._owners: dict[str, str] = {}

    def put(self, owner: str, body: Mapping[str, Any]) -> None:
        """Store a task of a schedule as it is now; ``owner`` is the schedule's UID."""
        run = schedule_run_of(body)
        before = self._runs[owner].get(run.uid)
        self._runs[owner][run.uid], self._owners[run.uid] = run, owner
        if before is None or before.is_finished != run.is_finished:
            self.wake(owner)

    def drop(self, uid: str) -> None:
        """Forget a deleted task; a finished one is kept until it is counted."""
        owner = self._owners.pop(uid, None)
        run = self._runs[owner].pop(uid, None) if owner is not None else None
        if owner is None or run is None:
            return
        if run.is_finished:
            self._gone[owner][uid] = run
        self.wake(owner)

    def of(self, owner: str) -> tuple[ScheduleRun, ...]:
        """Return the existing tasks of a schedule, newest first."""
        return tuple(sorted(self._runs.get(owner, {}).values(), key=lambda r: (r.scheduled, r.name), reverse=True))

    def gone(self, owner: str) -> tuple[ScheduleRun, ...]:
        """Return the deleted tasks of a schedule that had finished and may not be counted yet."""
        return tuple(self._gone.get(owner, {}).values())

    def counted(self, owner: str, runs: tuple[ScheduleRun, ...]) -> None:
        """Forget deleted tasks that are counted."""
        for run in runs:
            self._gone.get(owner, {}).pop(run.uid, None)

    def forget(self, owner: str) -> None:
        """Forget a deleted schedule; its tasks are deleted one by one."""
        self._gone.pop(owner, None)


def _ignore(_: str) -> None:
    """Ignore changes before there is a work queue."""
