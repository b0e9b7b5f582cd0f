"""Model of a CognitiveSchedule."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.resources import Metadata

ConcurrencyPolicy = Literal["Allow", "Forbid", "Replace"]


class TemplateMetadata(ResourceModel):
    """Labels and annotations of a schedule's tasks."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class TaskTemplate(ResourceModel):
    """Template of a schedule's tasks."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: dict[str, Any]
    """Spec of a CognitiveTask, not validated here: the API server validates it."""


class ScheduleSpec(ResourceModel):
    """The spec of a CognitiveSchedule."""

    schedule: str
    time_zone: str = "UTC"
    concurrency_policy: ConcurrencyPolicy = "Allow"
    starting_deadline_seconds: int | None = None
    """Absent: no limit on how late a run may start."""
    successful_history_limit: int = 3
    failed_history_limit: int = 1
    suspend: bool = False
    task_template: TaskTemplate


class CountedRun(ResourceModel):
    """A run that the totals already include."""

    uid: str


class Totals(ResourceModel):
    """Totals over all runs of a schedule."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    tokens: int = 0
    energy: float = 0.0


class ScheduleStatus(ResourceModel):
    """The fields of a schedule's status that the operator reads back."""

    last_schedule_time: datetime | None = None
    last_successful_time: datetime | None = None
    runs: tuple[CountedRun, ...] = ()
    totals: Totals = Totals()


class Schedule(ResourceModel):
    """A CognitiveSchedule."""

    metadata: Metadata
    spec: ScheduleSpec
    status: ScheduleStatus = ScheduleStatus()
