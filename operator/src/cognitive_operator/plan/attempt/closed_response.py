"""Responses that the operator publishes for attempts that it ended, so that the stream holds every end."""

from cognitive_operator.api.wire import Energy, Failed
from cognitive_operator.api.wire_usage import Usage
from cognitive_operator.plan.attempt.in_flight import AttemptEnd
from cognitive_operator.status.task import seconds_between

_NOTHING = Usage(prompt_tokens=0, completion_tokens=0, total_tokens=0)


def closed_response(end: AttemptEnd, namespace: str, task_name: str, variant: str | None = None) -> Failed:
    """Return the end of an attempt as a failed response; its usage is zero, because it is not known.

    ``variant`` is the one that the task's status names.
    """
    attempt = end.status_entry()
    started_at = attempt.started_at or end.finished_at
    return Failed(
        namespace=namespace,
        task_name=task_name,
        task_uid=end.key.task_uid,
        attempt=end.key.number,
        agent_uid=end.key.agent_uid,
        mode=end.mode,
        worker=attempt.worker or "",
        submission_id=attempt.submission_id or "",
        started_at=started_at,
        timestamp=end.finished_at,
        duration_ms=round(1000 * (seconds_between(started_at, end.finished_at) or 0)),
        usage=_NOTHING,
        energy=Energy(delta=0),
        variant=variant,
        status="failed",
        error=end.message,
        error_type=end.reason,
        retryable=end.retryable,
    )
