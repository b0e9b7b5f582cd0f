"""Cron expressions mean to a schedule what they mean to a CronJob."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from cognitive_operator.plan.schedule.cron import CronError, cron_of
from cognitive_operator.plan.schedule.cron_fields import CronFieldError, cronsim_expression

START = datetime(2024, 8, 16, tzinfo=UTC)
"""A Friday."""


def short(time: datetime) -> str:
    return time.strftime("%m-%dT%H:%M").removesuffix("T00:00")


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [  # as github.com/robfig/cron v3.0.1 answers, whose ParseStandard Kubernetes uses
        ("0 0 */2 * 3", "08-17 08-19 08-21 08-23 08-25 08-27"),
        ("0 0 ?/2 * 3", "08-17 08-19 08-21 08-23 08-25 08-27"),
        ("0 0 * * 3", "08-21 08-28 09-04 09-11 09-18 09-25"),
        ("0 0 */1 * 3", "08-21 08-28 09-04 09-11 09-18 09-25"),
        ("0 0 ? * MON", "08-19 08-26 09-02 09-09 09-16 09-23"),
        ("0 0 ? * ?", "08-17 08-18 08-19 08-20 08-21 08-22"),
        ("0 0 1,*,9 * 5", "08-23 08-30 09-06 09-13 09-20 09-27"),
        ("0 0 */2,* * 3", "08-21 08-28 09-04 09-11 09-18 09-25"),
        ("0 0 1-31 * 3", "08-17 08-18 08-19 08-20 08-21 08-22"),
        ("0 0 13 * */2", "08-17 08-18 08-20 08-22 08-24 08-25"),
        ("0 0 13 * 0-6", "08-17 08-18 08-19 08-20 08-21 08-22"),
        ("0 0 1 * 5/2", "08-23 08-30 09-01 09-06 09-13 09-20"),
        ("0 0 5-5/2 * *", "09-05 10-05 11-05 12-05 01-05 02-05"),
        ("0 0 28/2 * *", "08-28 08-30 09-28 09-30 10-28 10-30"),
        ("0 0 */31 * *", "09-01 10-01 11-01 12-01 01-01 02-01"),
        ("0 0 05 * sun", "08-18 08-25 09-01 09-05 09-08 09-15"),
        ("0 0 * jan-MAR,Dec sUn", "12-01 12-08 12-15 12-22 12-29 01-05"),
        ("0 0 * * mon-fri/2", "08-19 08-21 08-23 08-26 08-28 08-30"),
        ("*/90 * * * *", "08-16T01:00 08-16T02:00 08-16T03:00 08-16T04:00 08-16T05:00 08-16T06:00"),
        ("50/5 22/1 * * *", "08-16T22:50 08-16T22:55 08-16T23:50 08-16T23:55 08-17T22:50 08-17T22:55"),
    ],
)
def test_times_are_those_of_a_cronjob(schedule: str, expected: str) -> None:
    wanted = expected.split()
    assert [short(time) for time in islice(cron_of(schedule, "UTC").after(START), len(wanted))] == wanted


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("0 0 * * 7", "the day of the week has '7', expected 0 to 6 or SUN, MON"),
        ("0 0 * * 5-7", "the day of the week has '7'"),
        ("0 0 * * SAT-MON", "the day of the week has 'SAT-MON', whose end is before its beginning"),
        ("0 22-2 * * *", "the hour has '22-2', whose end"),
        ("0 0 L * *", "the day of the month has 'L', expected 1 to 31"),
        ("0 0 LW * *", "the day of the month has 'LW'"),
        ("0 0 15W * *", "the day of the month has '15W'"),
        ("0 0 * * 5L", "the day of the week has '5L'"),
        ("0 0 * * MON#1", "the day of the week has 'MON#1'"),
        ("0 0 * JANUARY *", "the month has 'JANUARY'"),
        ("0 0 sun * *", "the day of the month has 'sun'"),
        ("0 0 0 * *", "the day of the month has '0'"),
        ("*/0 * * * *", "the minute has '*/0', expected a whole number above 0"),
        ("*/ * * * *", "the minute has '*/'"),
        ("1/2/3 * * * *", "the minute has '1/2/3'"),
        ("1-2-3 * * * *", "the minute has '2-3'"),
        ("-5 * * * *", "the minute has ''"),
        ("+5 * * * *", "the minute has '+5'"),
        ("1,,2 * * * *", "the minute has ''"),
        ("*-5 * * * *", "the minute has '*'"),
        ("** * * * *", "the minute has '**'"),
        ("\u0661 * * * *", "the minute has '\u0661'"),
        ("TZ=UTC 0 0 * * *", "it has 6 fields"),
        ("CRON_TZ=UTC 0 0 * * *", "it has 6 fields"),
        ("@every 5m", "it has 2 fields"),
        ("0 0 30 2 *", "it never matches any date"),
        ("0 0 31 4,6 ?", "it never matches any date"),
    ],
)
def test_schedules_that_are_refused_name_the_field(schedule: str, said: str) -> None:
    with pytest.raises(CronError) as error:
        cron_of(schedule, "UTC")
    assert f"spec.schedule is {schedule!r}: {said}" in str(error.value)
    assert error.value.reason == "InvalidSchedule"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("? ?/12 ? ? ?", "*/1 */12 * * *"),
        ("*/20,7 */2 */2 */6 */3", "*/20,7 */2 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 1,7 0,3,6"),
        ("5,*/30 1 1 1 1", "0,5,30 1 1 1 1"),
    ],
)
def test_a_leading_star_of_the_clock_stays_because_it_decides_how_skipped_hours_are_treated(
    schedule: str, expected: str
) -> None:
    assert cronsim_expression(schedule) == expected


def test_every_field_has_its_own_limits() -> None:
    assert cronsim_expression("59 23 31 12 6") == "59 23 31 12 6"
    for wrong in ("60 0 1 1 0", "0 24 1 1 0", "0 0 32 1 0", "0 0 1 13 0", "0 0 1 1 7", "0 0 1 0 0"):
        with pytest.raises(CronFieldError):
            cronsim_expression(wrong)
