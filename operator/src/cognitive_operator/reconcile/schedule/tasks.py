"""The tasks of a schedule's runs: creation and deletion."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cognitive_operator.api.conditions import Condition, Reason, ScheduleCondition
from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.api.schedule_run import ScheduleRun, owning_schedule
from cognitive_operator.desired.scheduled_task import desired_run
from cognitive_operator.errors import ConflictError, ForbiddenError, ObjectInvalidError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body, Identity, Resources
from cognitive_operator.reconcile.schedule.record import ScheduleRecord


@dataclass(frozen=True)
class RunStart:
    """Result of creating the task of a scheduled run."""

    problem: Condition | None = None
    """The Ready condition, False, if the API server rejects the task, which is created again later; otherwise None."""
    is_started: bool = False
    """False: the task was refused, or its name belongs to another task, so that the run is skipped."""


class ScheduledTasks:
    """Creates and deletes the tasks of schedules. ``upsert_task`` stores a task that was created or found."""

    def __init__(self, resources: Resources, upsert_task: Callable[[Body], None]) -> None:
        self._resources = resources
        self._upsert_task = upsert_task

    async def create(self, record: ScheduleRecord, due: datetime) -> RunStart:
        """Create the task of a scheduled run, or find the one that this process or another created before a crash."""
        manifest = desired_run(record.schedule, due)
        try:
            body: Body | None = await self._resources.create(TASK_PLURAL, manifest)
        except ConflictError:
            meta = manifest["metadata"]
            body = await self._resources.get(TASK_PLURAL, meta["namespace"], meta["name"])
        except (ObjectInvalidError, ForbiddenError) as error:
            message = f"The API server rejected the task for the run at {due.isoformat()}: {error}"[:1024]
            return RunStart(Condition.false(ScheduleCondition.READY, Reason.TASK_REFUSED, message))
        if body is not None:
            self._upsert_task(body)
        return RunStart(is_started=body is None or owning_schedule(body) == record.uid)

    async def delete(self, namespace: str, run: ScheduleRun) -> None:
        """Delete a run's task, unless another task has its name."""
        version = run.version
        for _ in range(2):
            try:
                return await self._resources.delete(TASK_PLURAL, namespace, run.name, Identity(run.uid, version))
            except ObjectNotFoundError:
                return
            except ConflictError:  # the watch brought an older version
                body = await self._resources.get(TASK_PLURAL, namespace, run.name)
                if body is None or body["metadata"]["uid"] != run.uid:
                    return
                version = body["metadata"]["resourceVersion"]
