"""Due times of schedules, also across daylight saving changes."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognitive_operator.plan.schedule.cron import MACROS, CronError, cron_of

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago")
EXPRESSIONS = (
    "* * * * *",
    "*/20 * * * *",
    "30 2 * * *",
    "15,45 1,2,3 * * *",
    "0 0 * * MON",
    "30 */2 * * *",
    "0 12 29 2 *",
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
NEAR_A_CHANGE = st.sampled_from(
    [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)]
)
STARTS = MOMENTS | st.builds(lambda at, minutes: at + timedelta(minutes=minutes), NEAR_A_CHANGE, st.integers(-200, 200))


def times(schedule: str, zone: str, start: str, count: int) -> list[str]:
    found = islice(cron_of(schedule, zone).after(datetime.fromisoformat(start)), count)
    return [time.strftime("%m-%dT%H:%M") for time in found]


@pytest.mark.parametrize(
    ("schedule", "zone", "start", "expected"),
    [
        ("0 9 * * MON-FRI", "UTC", "2026-11-20T10:00Z", ["11-23T09:00", "11-24T09:00"]),
        ("0 9 * * *", "Asia/Kolkata", "2026-11-20T00:00Z", ["11-20T03:30", "11-21T03:30"]),
        ("0 0 29 2 *", "UTC", "2026-02-01T00:00Z", ["02-29T00:00", "02-29T00:00"]),
        # 02:30 does not exist on 29 March in Berlin, and comes twice on 25 October
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00Z", ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", ["10-25T00:30", "10-26T01:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15Z", ["10-26T01:30"]),
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29T00:00Z", ["03-29T01:00", "03-30T00:00"]),
        ("0 ? * * *", "Europe/Berlin", "2026-10-24T23:30Z", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
        ("0 * * * *", "Europe/Berlin", "2026-10-24T23:30Z", ["10-25T00:00", "10-25T01:00", "10-25T02:00"]),
        ("0 * * * *", "Europe/Berlin", "2026-03-28T23:30Z", ["03-29T00:00", "03-29T01:00", "03-29T02:00"]),
    ],
)
def test_times(schedule: str, zone: str, start: str, expected: list[str]) -> None:
    assert times(schedule, zone, start, len(expected)) == expected


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("@yearly", "01-01T00:00"),
        ("@annually", "01-01T00:00"),
        ("@monthly", "12-01T00:00"),
        ("@weekly", "11-22T00:00"),
        ("@daily", "11-22T00:00"),
        ("@midnight", "11-22T00:00"),
        ("@hourly", "11-21T08:00"),
    ],
)
def test_macros(macro: str, expected: str) -> None:
    assert times(macro, "UTC", "2026-11-21T07:59Z", 1) == [expected]
    assert macro in MACROS


@pytest.mark.parametrize(
    "schedule",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "0 0 30 2 *", "@reboot", "@every 1h", "a b c d e"],
)
def test_what_is_no_schedule_is_told(schedule: str) -> None:
    with pytest.raises(CronError, match=r"spec\.schedule") as error:
        cron_of(schedule, "UTC")
    assert error.value.reason == "InvalidSchedule"


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime", "localtime", "", "europe berlin"]
)
def test_what_is_no_zone_is_told(zone: str) -> None:
    with pytest.raises(CronError, match=r"spec\.timeZone") as error:
        cron_of("* * * * *", zone)
    assert error.value.reason == "UnknownTimeZone"


@settings(max_examples=150)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), STARTS)
def test_times_come_in_their_order_each_once_and_after_the_start(schedule: str, zone: str, start: datetime) -> None:
    found = list(islice(cron_of(schedule, zone).after(start), 6))
    assert all(before < after for before, after in pairwise([start, *found]))
    assert all(time.second == time.microsecond == 0 for time in found)


@settings(max_examples=150)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), STARTS, st.integers(0, 5), st.integers(0, 59))
def test_the_last_time_is_the_one_that_no_other_follows(
    schedule: str, zone: str, start: datetime, number: int, seconds: int
) -> None:
    cron = cron_of(schedule, zone)
    found = list(islice(cron.after(start), number + 2))
    until = min(found[number] + timedelta(seconds=seconds), found[number + 1] - timedelta(seconds=1))
    assert cron.last(start, until) == found[number]
    assert cron.last(found[number], until) is None
    assert cron.last(until + timedelta(hours=1), until) is None
