"""Fields of a cron expression, with the meaning that they have in a CronJob."""

from dataclasses import dataclass, field
from typing import Final

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_STARS: Final = ("*", "?")


class CronFieldError(ValueError):
    """A field of a cron expression is invalid; the message names the field and its limits."""


@dataclass(frozen=True)
class FieldSpec:
    """Limits of a field, both included, and the numbers of its names in upper case."""

    title: str
    low: int
    high: int
    names: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        """Return the number of a digit string or a name, which lies in the field's limits.

        Raises:
            CronFieldError: It is neither, or outside the limits.
        """
        value = self.names.get(text.upper(), -1)
        if text.isascii() and text.isdigit():
            value = int(text)
        if not self.low <= value <= self.high:
            raise self.error(text)
        return value

    def error(self, text: str) -> CronFieldError:
        """Return the error for a part of the field."""
        names = f" or {', '.join(self.names)}" if self.names else ""
        return CronFieldError(f"{self.title} has {text!r}, expected {self.low} to {self.high}{names}")


@dataclass(frozen=True)
class FieldRange:
    """Numbers of one item of a field, in order.

    ``step`` is 0 unless the item begins with a star or a question mark. ``is_star`` is True if every number fits: a
    star with a step above 1 restricts the field, like a list of numbers.
    """

    numbers: range
    step: int = 0

    @property
    def is_star(self) -> bool:
        """Return True if the item leaves the field unrestricted."""
        return self.step == 1


_MINUTE: Final = FieldSpec("the minute", 0, 59)
_HOUR: Final = FieldSpec("the hour", 0, 23)
_DAY: Final = FieldSpec("the day of the month", 1, 31)
_MONTH: Final = FieldSpec("the month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)})
_WEEKDAY: Final = FieldSpec("the day of the week", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)})
FIELDS: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


def cronsim_expression(expression: str) -> str:
    """Return the expression that means the same to cronsim as this one means to a CronJob.

    The two differ in steps over a star (``*/2`` for a day of the month), question marks, 7 as a weekday, L and #.

    Raises:
        CronFieldError: A CronJob's schedule may not be so.

    Source: github.com/robfig/cron v3.0.1, ParseStandard, which Kubernetes' controller of CronJobs uses.
    """
    parts = expression.split()
    if len(parts) != len(FIELDS):
        raise CronFieldError(f"it has {len(parts)} fields")
    minute, hour, day, month, weekday = (_ranges(part, spec) for part, spec in zip(parts, FIELDS, strict=True))
    return " ".join((_clock_text(minute), _clock_text(hour), _date_text(day), _date_text(month), _date_text(weekday)))


def _ranges(text: str, spec: FieldSpec) -> list[FieldRange]:
    return [_range(item, spec) for item in text.split(",")]


def _range(item: str, spec: FieldSpec) -> FieldRange:
    span, slash, step_text = item.partition("/")
    step = _step(item, step_text, spec) if slash else 1
    if span in _STARS:
        return FieldRange(range(spec.low, spec.high + 1, step), step)
    first_text, dash, last_text = span.partition("-")
    first = spec.number(first_text)
    last = spec.number(last_text) if dash else spec.high if slash else first
    if last < first:
        raise CronFieldError(f"{spec.title} has {item!r}, whose end is before its beginning")
    return FieldRange(range(first, last + 1, step))


def _step(item: str, text: str, spec: FieldSpec) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise CronFieldError(f"{spec.title} has {item!r}, expected a whole number above 0 after the slash")
    return int(text)


def _clock_text(items: list[FieldRange]) -> str:
    """Write minutes or hours; a star at the beginning stays, because times then follow elapsed time."""
    if items[0].step:
        return ",".join((f"*/{items[0].step}", *_numbers(items[1:])))
    return ",".join(_numbers(items))


def _date_text(items: list[FieldRange]) -> str:
    """Write days or months; only a star for an unrestricted field, because days and weekdays must then both fit."""
    return "*" if any(item.is_star for item in items) else ",".join(_numbers(items))


def _numbers(items: list[FieldRange]) -> list[str]:
    return [str(number) for number in sorted({number for item in items for number in item.numbers})]
