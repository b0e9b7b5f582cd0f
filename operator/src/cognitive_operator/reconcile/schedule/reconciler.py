"""Reconciliation of a schedule: starts runs on time, counts ended ones, deletes those beyond the history limits."""

import asyncio
import logging
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import SCHEDULE_PLURAL, ObjectName, run_name
from cognitive_operator.api.schedule_run import ScheduleRun
from cognitive_operator.api.schedules import Schedule
from cognitive_operator.errors import CognitiveOperatorError, ConflictError
from cognitive_operator.plan.schedule.next_run import SchedulePlan, plan_schedule, surplus
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body, Resources
from cognitive_operator.reconcile.schedule.record import ScheduleRecord, ScheduleStore
from cognitive_operator.reconcile.schedule.tasks import RunStart, ScheduledTasks
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.scoped_list import KindLists, KindStore
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.unreadable import log_unreadable
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter
from cognitive_operator.scheduling.schedule_runs import ScheduleRuns
from cognitive_operator.status.schedule import ScheduleFacts, schedule_status

logger = logging.getLogger(__name__)
WORKERS: Final = 16


@dataclass(frozen=True)
class SchedulePorts:
    """Ports that the reconciliation of schedules uses."""

    resources: Resources
    writer: StatusWriter
    clock: Clock
    namespaces: WatchedNamespaces
    unlisted: Container[str]
    """Namespaces whose tasks are not known now: no run starts there."""


class ScheduleReconciler:
    """Reconciles all schedules, each by one worker at a time.

    Args:
        ports: Schedules, their tasks, their statuses, and the clock.
        runs: The tasks of all schedules.
        upsert_task: Called with each task that a schedule created.
        synced: Set once all tasks are listed; no run starts before.
        timing: Intervals.
    """

    def __init__(
        self,
        ports: SchedulePorts,
        runs: ScheduleRuns,
        upsert_task: Callable[[Body], None],
        synced: asyncio.Event,
        *,
        timing: Timing,
    ) -> None:
        self._unlisted = ports.unlisted
        self._writer = ports.writer
        self._clock = ports.clock
        self._runs = runs
        self._synced = synced
        self._timing = timing
        self._store = ScheduleStore()
        stored = KindStore(SCHEDULE_PLURAL, self._bodies, self.upsert, self.delete)
        self._lists = KindLists(ports.resources, ports.namespaces, stored)
        self._queue = WorkQueue[ObjectName]("schedule", WORKERS, backoff_s=timing.backoff_s)
        self._queue.start(self.reconcile)
        self._tasks = ScheduledTasks(ports.resources, upsert_task)
        runs.wake = self._enqueue

    async def run(self) -> None:
        """List all schedules at the start and at intervals, until cancelled."""
        await self._synced.wait()
        while True:
            try:
                await self._lists.relist()
                for record in self._store.all():
                    self._queue.add(record.name)
                await self._lists.wait(self._timing.resync_every_s)
            except CognitiveOperatorError as error:
                logger.info("cannot list the schedules", extra={"cause": str(error)})
                await asyncio.sleep(self._timing.schedule_retry_s)

    def on_namespace(self, name: str) -> None:
        """List the schedules again after a namespace was found."""
        self._lists.on_namespace(name)

    async def close(self) -> None:
        """Cancel all reconciliations."""
        await self._queue.close()

    def upsert(self, body: Body) -> None:
        """Store a schedule as it is now, and enqueue it."""
        meta = body["metadata"]
        name = (meta["namespace"], meta["name"])
        record = self._store.get(name)
        if record is not None and record.uid != meta["uid"]:
            self.delete(record.body)
            record = None
        if record is not None and int(meta["resourceVersion"]) <= record.version:
            return
        try:
            schedule = Schedule.model_validate(body)
        except ValidationError as error:
            return log_unreadable(body, error)
        self._store.upsert(name, schedule, body)
        self._queue.add(name)

    def delete(self, body: Body) -> None:
        """Forget a deleted schedule; Kubernetes deletes its tasks."""
        uid = body["metadata"]["uid"]
        if self._store.delete(uid):
            self._runs.forget(uid)

    async def reconcile(self, name: ObjectName) -> float | None:
        """Bring a schedule a step forward; return the seconds until its next reconciliation."""
        record = self._store.get(name)
        if record is None or not self._synced.is_set() or record.schedule.metadata.deletion_timestamp:
            return None
        if name[0] in self._unlisted:
            return self._timing.schedule_retry_s
        existing = {run.uid for run in self._runs.of(record.uid)}
        record = self._store.update(record, deleted=record.deleted & existing)
        plan = plan_schedule(record.schedule, self._runs_of(record), datetime.fromisoformat(self._clock.now()))
        self._emit_blocked(record, plan)
        start = await self._start(record, plan.due, plan.replaced) if plan.due is not None else RunStart()
        if await self._write(self._store.latest(record), plan, start):
            record = self._store.latest(record)
            for run in surplus(record.schedule, self._runs_of(record)):
                await self._delete_task(record, run)
        return plan.recheck_s

    def _enqueue(self, uid: str) -> None:
        name = self._store.name_of(uid)
        if name is not None:
            self._queue.add(name)

    def _runs_of(self, record: ScheduleRecord) -> tuple[ScheduleRun, ...]:
        """Return the schedule's tasks, without the active ones whose deletion was requested."""
        deleted = self._store.latest(record).deleted
        return tuple(run for run in self._runs.of(record.uid) if run.is_finished or run.uid not in deleted)

    def _bodies(self) -> list[Body]:
        return [record.body for record in self._store.all()]

    async def _start(self, record: ScheduleRecord, due: datetime, replaced: tuple[ScheduleRun, ...]) -> RunStart:
        """Create the task of the run at ``due``, after the deletion of the tasks that it replaces."""
        for run in replaced:
            await self._delete_task(record, run)
        start = await self._tasks.create(record, due)
        if start.problem is not None:
            self._emit_refused(record, start.problem)
        elif not start.is_started:
            self._emit_name_taken(record, due)
        return start

    async def _delete_task(self, record: ScheduleRecord, run: ScheduleRun) -> None:
        await self._tasks.delete(record.name[0], run)
        record = self._store.latest(record)
        self._store.update(record, deleted=record.deleted | {run.uid})

    async def _write(self, record: ScheduleRecord, plan: SchedulePlan, start: RunStart) -> bool:
        """Write the status if it changes; False when the schedule is gone."""
        gone = self._runs.gone(record.uid)
        patch = schedule_status(self._facts(record, plan, start, gone))
        raw = record.body.get("status") or {}
        if merge_patch(raw, patch) != dict(raw):
            result = await self._writer.write(record.body, patch)
            if isinstance(result, Gone):
                self.delete(record.body)
                return False
            if isinstance(result, Changed):
                self.upsert(result.body)
                raise ConflictError(f"CognitiveSchedule {'/'.join(record.name)} changed while its status was written")
            self._store.update(record, body=result.body, schedule=Schedule.model_validate(result.body))
        self._runs.counted(record.uid, gone)
        return True

    def _facts(
        self, record: ScheduleRecord, plan: SchedulePlan, start: RunStart, gone: tuple[ScheduleRun, ...]
    ) -> ScheduleFacts:
        return ScheduleFacts(
            schedule=record.schedule,
            raw_status=record.body.get("status") or {},
            condition=start.problem or plan.condition,
            runs=self._runs_of(record),
            gone=gone,
            next=plan.next,
            now=self._clock.now(),
            handled=plan.due if start.problem is None else None,
            is_started=start.is_started,
        )

    def _emit_blocked(self, record: ScheduleRecord, plan: SchedulePlan) -> None:
        """Emit one Event for each scheduled time at which an active run blocks the next."""
        if plan.blocked is not None and plan.blocked != record.blocked_since:
            self._store.update(record, blocked_since=plan.blocked)
            due = plan.blocked.isoformat()
            message = f"The run scheduled for {due} is waiting: concurrencyPolicy is Forbid and another run is active."
            self._writer.emit_event(record.body, "Normal", "AlreadyActive", message)

    def _emit_name_taken(self, record: ScheduleRecord, due: datetime) -> None:
        name = run_name(record.name[1], due)
        other = f"CognitiveTask {name} does not belong to this schedule"
        message = f"{other}; the run scheduled for {due.isoformat()} was skipped."
        self._writer.emit_event(record.body, "Warning", "NameTaken", message)

    def _emit_refused(self, record: ScheduleRecord, problem: Condition) -> None:
        """Emit an Event when the API server starts to reject the schedule's tasks."""
        old = (record.body.get("status") or {}).get("conditions") or ()
        if not any(c["type"] == problem.type and c["reason"] == problem.reason for c in old):
            self._writer.emit_event(record.body, "Warning", problem.reason, problem.message)
