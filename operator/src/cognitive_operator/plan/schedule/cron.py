"""Cron expressions in a time zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from cognitive_operator.api.conditions import Reason
from cognitive_operator.plan.schedule.cron_fields import CronFieldError, cronsim_expression

MACROS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LOOKS_BACK: Final = tuple(timedelta(hours=hours) for hours in (1, 24, 24 * 32, 24 * 370, 24 * 370 * 9))
"""Time spans in which the last time is searched, the shortest first. Leap days are at most eight years apart."""
_FILES_THAT_ARE_NO_ZONES: Final = frozenset({"localtime", "posixrules", "Factory"})


class CronError(ValueError):
    """A schedule or a time zone is invalid; ``reason`` is the condition's reason."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Cron:
    """A cron expression of five fields, in cronsim's syntax, in a time zone.

    Where clocks change, the rules are those of Debian's cron: a fixed time that daylight saving skips is due right
    after the skipped hour, a fixed time that occurs twice is due the first time, and expressions with a star for
    minutes or hours follow elapsed time.
    """

    expression: str
    zone: tzinfo

    def after(self, start: datetime) -> Iterator[datetime]:
        """Yield the times after a start, in UTC, each once and in order."""
        last = start
        for local in CronSim(self.expression, start.astimezone(self.zone)):
            found = local.astimezone(UTC)
            if found > last:  # a repeated and a skipped hour both yield times twice
                last = found
                yield found

    def next(self, start: datetime) -> datetime | None:
        """Return the first time after a start, None when there is none within 50 years."""
        return next(self.after(start), None)

    def last(self, after: datetime, until: datetime) -> datetime | None:
        """Return the last time in the interval (after, until], None if there is none."""
        for span in _LOOKS_BACK:
            start = max(after, until - span)
            found = None
            for time in self.after(start):
                if time > until:
                    break
                found = time
            if found is not None or start == after:
                return found
        return None


def cron_of(schedule: str, time_zone: str) -> Cron:
    """Return the cron expression of a schedule.

    Raises:
        CronError: The schedule or the time zone is invalid; do not retry.
    """
    zone = _zone(time_zone)
    try:
        found = Cron(cronsim_expression(MACROS.get(schedule, schedule)), zone)
        if not _matches(found):
            raise CronFieldError("it never matches any date")
    except CronFieldError as error:
        remedy = f"Write five fields such as '30 6 * * MON-FRI', or one of {', '.join(MACROS)}"
        raise CronError(Reason.INVALID_SCHEDULE, f"spec.schedule is {schedule!r}: {error}. {remedy}.") from None
    return found


def _matches(cron: Cron) -> bool:
    """Return False if no day fits, such as 30 February; cronsim raises for some of these."""
    try:
        return cron.next(datetime(2000, 1, 1, tzinfo=UTC)) is not None
    except CronSimError:
        return False


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        if name in _FILES_THAT_ARE_NO_ZONES:
            raise KeyError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        message = f"spec.timeZone is {name!r}: expected an IANA time zone name, such as Europe/Berlin."
        raise CronError(Reason.UNKNOWN_TIME_ZONE, message) from None
