"""The task of one run of a schedule."""

from datetime import UTC, datetime
from typing import Any

from cognitive_operator.api.names import API_VERSION, SCHEDULE_KIND, SCHEDULE_LABEL, SCHEDULED_AT, TASK_KIND, run_name
from cognitive_operator.api.schedules import Schedule


def desired_run(schedule: Schedule, scheduled: datetime) -> dict[str, Any]:
    """Build the task of a run; the scheduled time is part of its name, so that no time has two tasks."""
    meta, template = schedule.metadata, schedule.spec.task_template
    at = scheduled.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    owner = {"apiVersion": API_VERSION, "kind": SCHEDULE_KIND, "name": meta.name, "uid": meta.uid, "controller": True}
    return {
        "apiVersion": API_VERSION,
        "kind": TASK_KIND,
        "metadata": {
            "name": run_name(meta.name, scheduled),
            "namespace": meta.namespace,
            "labels": {**template.metadata.labels, SCHEDULE_LABEL: meta.name},
            "annotations": {**template.metadata.annotations, SCHEDULED_AT: at},
            "ownerReferences": [owner],
        },
        "spec": template.spec,
    }
