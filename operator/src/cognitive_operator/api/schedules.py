"""Typed view of CognitiveSchedules."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from cognitive_operator.api.resources import Metadata
from cognitive_operator.api.view import View

ConcurrencyPolicy = Literal["Allow", "Forbid", "Replace"]


class TemplateMetadata(View):
    """What every task of a schedule bears."""

    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class TaskTemplate(View):
    """The tasks of a schedule."""

    metadata: TemplateMetadata = TemplateMetadata()
    spec: dict[str, Any]
    """A CognitiveTask's spec, for the API server to judge."""


class ScheduleSpec(View):
    """The spec of a CognitiveSchedule."""

    schedule: str
    time_zone: str = "UTC"
    concurrency_policy: ConcurrencyPolicy = "Allow"
    starting_deadline_seconds: int | None = None
    """Absent: a run may begin however late."""
    successful_history_limit: int = 3
    failed_history_limit: int = 1
    suspend: bool = False
    task_template: TaskTemplate


class CountedRun(View):
    """A run that is in the totals."""

    uid: str


class Totals(View):
    """What all runs of a schedule add up to."""

    started: int = 0
    succeeded: int = 0
    failed: int = 0
    tokens: int = 0
    energy: float = 0.0


class ScheduleStatus(View):
    """What the operator reads back of a schedule's status."""

    last_schedule_time: datetime | None = None
    last_successful_time: datetime | None = None
    runs: tuple[CountedRun, ...] = ()
    totals: Totals = Totals()


class Schedule(View):
    """A CognitiveSchedule."""

    metadata: Metadata
    spec: ScheduleSpec
    status: ScheduleStatus = ScheduleStatus()
