"""Reconciles one schedule: starts the run that is due, keeps count, and deletes what had its time."""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from cognitive_operator.api.conditions import Reason, ScheduleCondition
from cognitive_operator.api.names import SCHEDULE_PLURAL, TASK_PLURAL
from cognitive_operator.api.schedule_run import ScheduleRun, owning_schedule
from cognitive_operator.api.schedules import Schedule
from cognitive_operator.desired.scheduled_task import desired_run
from cognitive_operator.errors import (
    CognitiveOperatorError,
    ConflictError,
    ForbiddenError,
    ObjectInvalidError,
    ObjectNotFoundError,
)
from cognitive_operator.plan.schedule import SchedulePlan, plan_schedule, surplus
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body, Identity, Resources
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter
from cognitive_operator.scheduling.schedule_runs import ScheduleRuns
from cognitive_operator.status.conditions import Condition, merge_patch
from cognitive_operator.status.schedule import ScheduleFacts, schedule_status

logger = logging.getLogger(__name__)
WORKERS: Final = 16


@dataclass
class ScheduleRecord:
    """A schedule and what this process did for it."""

    name: ObjectName
    schedule: Schedule
    body: Body
    deleted: set[str] = field(default_factory=set)
    """Tasks whose deletion was asked for."""
    told: datetime | None = None
    """The last time of which an Event said that it is blocked."""


@dataclass(frozen=True)
class _Start:
    """What became of a run that was due."""

    condition: Condition
    handled: datetime | None = None
    is_started: bool = False


class ScheduleReconciler:
    """Reconciles schedules: each one at most once at a time.

    Args:
        resources: Lists schedules; creates and deletes their tasks.
        writer: Writes their statuses.
        clock: Decides which run is due.
        runs: The tasks of all schedules.
        intake: Stores the tasks that are created.
        synced: Set once all tasks are known.
        timing: Intervals.
    """

    def __init__(
        self,
        resources: Resources,
        writer: StatusWriter,
        clock: Clock,
        runs: ScheduleRuns,
        intake: Intake,
        *,
        synced: asyncio.Event,
        timing: Timing,
    ) -> None:
        self._resources = resources
        self._writer = writer
        self._clock = clock
        self._runs = runs
        self._intake = intake
        self._synced = synced
        self._timing = timing
        self._records: dict[ObjectName, ScheduleRecord] = {}
        self._names: dict[str, ObjectName] = {}
        self._queue = WorkQueue[ObjectName]("schedule", self.reconcile, WORKERS, backoff_s=timing.backoff_s)
        runs.wake = self._wake

    async def run(self) -> None:
        """Read all schedules at the start and then again and again, until cancelled."""
        await self._synced.wait()
        while True:
            try:
                await self._relist()
                for name in self._records:
                    self._queue.add(name)
                await asyncio.sleep(self._timing.resync_every_s)
            except CognitiveOperatorError as error:
                logger.info("cannot list the schedules", extra={"cause": str(error)})
                await asyncio.sleep(self._timing.schedule_retry_s)

    async def close(self) -> None:
        """Stop."""
        await self._queue.close()

    def upsert(self, body: Body) -> None:
        """Take in a schedule as it is now and have it reconciled."""
        meta = body["metadata"]
        name = (meta["namespace"], meta["name"])
        record = self._records.get(name)
        if record is not None and record.schedule.metadata.uid != meta["uid"]:
            self.delete(record.body)
            record = None
        if record is not None and int(meta["resourceVersion"]) <= int(record.body["metadata"]["resourceVersion"]):
            return
        try:
            schedule = Schedule.model_validate(body)
        except ValidationError as error:  # an older CRD let it in
            logger.warning("ignored a schedule", extra={"schedule": "/".join(name), "cause": str(error)})
            return
        if record is None:
            record = self._records[name] = ScheduleRecord(name, schedule, body)
            self._names[meta["uid"]] = name
        record.schedule, record.body = schedule, body
        self._queue.add(name)

    def delete(self, body: Body) -> None:
        """A schedule is deleted; Kubernetes deletes its tasks."""
        meta = body["metadata"]
        if self._names.pop(meta["uid"], None) is not None:
            del self._records[meta["namespace"], meta["name"]]
            self._runs.forget(meta["uid"])

    async def reconcile(self, name: ObjectName) -> float | None:
        """Do what is next for a schedule; return the seconds after which it is due again."""
        record = self._records.get(name)
        if record is None or not self._synced.is_set() or record.schedule.metadata.deletion_timestamp:
            return None
        record.deleted &= {run.uid for run in self._runs.of(record.schedule.metadata.uid)}
        now = datetime.fromisoformat(self._clock.now())
        plan = plan_schedule(record.schedule, self._runs_of(record), now)
        self._emit_blocked(record, plan)
        start = await self._start(record, plan) if plan.due is not None else _Start(plan.condition)
        if await self._write(record, plan, start):
            for run in surplus(record.schedule, self._runs_of(record)):
                await self._delete(record, run)
        return plan.recheck_s

    def _wake(self, owner: str) -> None:
        name = self._names.get(owner)
        if name is not None:
            self._queue.add(name)

    def _runs_of(self, record: ScheduleRecord) -> tuple[ScheduleRun, ...]:
        runs = self._runs.of(record.schedule.metadata.uid)
        return tuple(run for run in runs if run.is_finished or run.uid not in record.deleted)

    async def _relist(self) -> None:
        before = {record.schedule.metadata.uid: record.body for record in self._records.values()}
        seen: set[str] = set()
        async for body in self._resources.list(SCHEDULE_PLURAL):
            seen.add(body["metadata"]["uid"])
            self.upsert(body)
        for uid, body in before.items():
            if uid not in seen:
                self.delete(body)

    async def _start(self, record: ScheduleRecord, plan: SchedulePlan) -> _Start:
        """Create the task of the run that is due, once those that it replaces are deleted."""
        assert plan.due is not None
        for run in plan.replaced:
            await self._delete(record, run)
        manifest = desired_run(record.schedule, plan.due)
        try:
            body = await self._resources.create(TASK_PLURAL, manifest)
        except ConflictError:
            return await self._adopt(record, plan, manifest)
        except (ObjectInvalidError, ForbiddenError) as error:
            message = f"The API server refuses the task of {plan.due.isoformat()}: {error}"[:1024]
            condition = Condition.false(ScheduleCondition.READY, Reason.TASK_REFUSED, message)
            self._emit_refused(record, condition)
            return _Start(condition)
        self._intake.upsert_task(body)
        return _Start(plan.condition, plan.due, is_started=True)

    async def _adopt(self, record: ScheduleRecord, plan: SchedulePlan, manifest: Body) -> _Start:
        """The name of the run is taken: by itself, when this process or another died before it said so."""
        meta = manifest["metadata"]
        body = await self._resources.get(TASK_PLURAL, meta["namespace"], meta["name"])
        if body is not None:
            self._intake.upsert_task(body)
        is_ours = body is None or owning_schedule(body) == record.schedule.metadata.uid
        if not is_ours:
            message = f"CognitiveTask {meta['name']} exists and is not this schedule's: its run is left out."
            self._writer.emit_event(record.body, "Warning", "NameTaken", message)
        return _Start(plan.condition, plan.due, is_started=is_ours)

    async def _write(self, record: ScheduleRecord, plan: SchedulePlan, start: _Start) -> bool:
        """Write the status if it changes; False when the schedule is gone."""
        uid, raw = record.schedule.metadata.uid, record.body.get("status") or {}
        gone = self._runs.gone(uid)
        facts = ScheduleFacts(
            schedule=record.schedule,
            raw_status=raw,
            condition=start.condition,
            runs=self._runs_of(record),
            gone=gone,
            next=plan.next,
            now=self._clock.now(),
            handled=start.handled,
            is_started=start.is_started,
        )
        patch = schedule_status(facts)
        if merge_patch(raw, patch) != dict(raw):
            result = await self._writer.write(record.body, patch)
            if isinstance(result, Gone):
                self.delete(record.body)
                return False
            if isinstance(result, Changed):
                self.upsert(result.body)
                raise ConflictError("the schedule changed while its status was written")
            record.body, record.schedule = result.body, Schedule.model_validate(result.body)
        self._runs.counted(uid, gone)
        return True

    async def _delete(self, record: ScheduleRecord, run: ScheduleRun) -> None:
        namespace, version = record.name[0], run.version
        for _ in range(2):
            try:
                await self._resources.delete(TASK_PLURAL, namespace, run.name, Identity(run.uid, version))
                break
            except ObjectNotFoundError:
                break
            except ConflictError:  # what the watch brought is old
                body = await self._resources.get(TASK_PLURAL, namespace, run.name)
                if body is None or body["metadata"]["uid"] != run.uid:
                    break
                version = body["metadata"]["resourceVersion"]
        record.deleted.add(run.uid)

    def _emit_blocked(self, record: ScheduleRecord, plan: SchedulePlan) -> None:
        if plan.blocked is not None and plan.blocked != record.told:
            record.told = plan.blocked
            message = f"The run of {plan.blocked.isoformat()} waits: concurrencyPolicy is Forbid and another is active."
            self._writer.emit_event(record.body, "Normal", "AlreadyActive", message)

    def _emit_refused(self, record: ScheduleRecord, condition: Condition) -> None:
        old = (record.body.get("status") or {}).get("conditions") or ()
        if not any(c["type"] == condition.type and c["reason"] == condition.reason for c in old):
            self._writer.emit_event(record.body, "Warning", condition.reason, condition.message)
