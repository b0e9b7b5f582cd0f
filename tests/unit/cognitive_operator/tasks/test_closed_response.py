"""The operator's note of an attempt that it ended itself."""

from cognitive_operator.api.conditions import Outcome
from cognitive_operator.api.wire import Failed
from cognitive_operator.plan.attempt.closed_response import closed_response
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from support.builders import operator_objects as o


def test_a_note_says_what_ended_and_how_long_it_ran_and_claims_no_costs() -> None:
    lost = AttemptEnd(o.key(2), "Embedded", Outcome.LOST, o.NOW, "ExecutorLost", "gone", claim=o.claim())
    note = closed_response(lost, "team", "why")
    assert Failed.model_validate_json(note.model_dump_json()) == note
    assert (note.task_uid, note.attempt, note.error_type, note.duration_ms) == (o.TASK_UID, 2, "ExecutorLost", 9000)
    assert (note.usage.total_tokens, note.energy.delta) == (0, 0)


def test_an_attempt_that_never_began_took_no_time() -> None:
    note = closed_response(AttemptEnd(o.key(), "Job", Outcome.FAILED, o.NOW, "JobFailed", "no"), "team", "why")
    assert (note.duration_ms, note.worker, note.submission_id) == (0, "", f"ct-{o.TASK_UID}-1")


def test_an_attempt_records_what_ended_it() -> None:
    assert attempt_end(o.key(), o.completed(), 17).status_entry().sequence == 17
    assert attempt_end(o.key(), o.failed(), 18).status_entry().sequence == 18
