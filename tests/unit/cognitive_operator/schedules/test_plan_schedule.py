"""The run of a schedule that is due, those that it replaces, and the finished runs beyond the limits."""

from datetime import datetime
from typing import Any

import pytest

from cognitive_operator.api.schedule_run import ScheduleRun
from cognitive_operator.api.schedules import Schedule
from cognitive_operator.plan.schedule.next_run import LOOK_AGAIN_S, plan_schedule, surplus
from support.builders.schedules import at, schedule_body


def schedule(last: datetime | None = None, **spec: Any) -> Schedule:
    return Schedule.model_validate(schedule_body({"lastScheduleTime": last.isoformat()} if last else {}, **spec))


def run(scheduled: datetime, phase: str | None = None) -> ScheduleRun:
    minutes = int(scheduled.timestamp()) // 60
    return ScheduleRun(f"uid-{minutes}", f"scan-{minutes}", "1", scheduled, phase)


@pytest.mark.parametrize(
    ("last", "now", "spec", "due"),
    [
        (None, at("06:09:59"), {}, None),
        (None, at("06:10:00"), {}, at("06:10")),
        (at("06:10"), at("06:15"), {}, None),
        (at("06:10"), at("06:20:01"), {}, at("06:20")),
        (at("06:10"), at("09:45"), {}, at("09:40")),
        (at("06:10"), at("09:45"), {"startingDeadlineSeconds": 301}, at("09:40")),
        (at("06:10"), at("09:45"), {"startingDeadlineSeconds": 299}, None),
        (at("06:10"), at("06:20:01"), {"suspend": True}, None),
        (at("06:10"), at("06:20:01"), {"timeZone": "Mars/Olympus"}, None),
        (at("07:10"), at("06:20:01"), {}, None),  # the clock was set back by an hour
        (at("06:10"), at("07:10:01"), {}, at("07:10")),  # or forward
    ],
)
def test_at_most_the_last_missed_run_is_due(
    last: datetime | None, now: datetime, spec: dict[str, Any], due: datetime | None
) -> None:
    assert plan_schedule(schedule(last, **spec), [], now).due == due


def test_after_a_clock_that_was_set_back_the_next_run_is_a_new_one() -> None:
    plan = plan_schedule(schedule(at("07:10")), [], at("06:20:01"))
    assert plan.next == at("07:20")
    assert plan.recheck_s == LOOK_AGAIN_S, "a jump of the clock is noticed by looking again"


@pytest.mark.parametrize(
    ("policy", "due", "blocked", "replaced"),
    [("Allow", True, False, 0), ("Forbid", False, True, 0), ("Replace", True, False, 2)],
)
def test_what_becomes_of_a_run_while_others_are_active(policy: str, due: bool, blocked: bool, replaced: int) -> None:
    active = [run(at("06:10")), run(at("06:20"), "Running")]
    plan = plan_schedule(
        schedule(at("06:20"), concurrencyPolicy=policy), [*active, run(at("06:00"), "Failed")], at("06:30:01")
    )
    assert (plan.due is not None, plan.blocked is not None, len(plan.replaced)) == (due, blocked, replaced)


@pytest.mark.parametrize("policy", ["Forbid", "Replace"])
def test_a_run_that_was_started_before_a_crash_neither_blocks_nor_replaces_itself(policy: str) -> None:
    plan = plan_schedule(schedule(at("06:10"), concurrencyPolicy=policy), [run(at("06:20"), "Running")], at("06:20:05"))
    assert (plan.due, plan.blocked, plan.replaced) == (at("06:20"), None, ())


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"suspend": True}, "Suspended"),
        ({"schedule": "61 * * * *"}, "InvalidSchedule"),
        ({"timeZone": "Mars/Olympus"}, "UnknownTimeZone"),
    ],
)
def test_why_no_run_starts_is_told(spec: dict[str, Any], reason: str) -> None:
    plan = plan_schedule(schedule(**spec), [], at("06:10"))
    assert (plan.condition.status, plan.condition.reason, plan.next) == ("False", reason, None)


def test_the_oldest_finished_runs_beyond_the_limits_are_surplus() -> None:
    phases = ["Succeeded", "Running", "Failed", "Succeeded", "Failed", None, "Succeeded"]
    runs = [run(at(f"06:{50 - 10 * n:02}") if n < 6 else at("05:00"), phase) for n, phase in enumerate(phases)]
    found = surplus(schedule(successfulHistoryLimit=2, failedHistoryLimit=1), runs)
    assert [each.scheduled for each in found] == [at("05:00"), at("06:10")]
    assert len(surplus(schedule(successfulHistoryLimit=0, failedHistoryLimit=0), runs)) == 5
