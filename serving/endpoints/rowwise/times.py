"""Dates and times within Python's years, 1 to 9999."""

from __future__ import annotations

import calendar
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from .calls import Call, Function, same
from .types import DATE, EPOCH, INTERVAL, MICROSECOND, TIMESTAMP, fails

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .types import Type

_TIMES, _DATES, _BOTH = (TIMESTAMP,), (DATE,), (DATE, TIMESTAMP)
_SPAN = (INTERVAL,)
_DAY, _HOUR, _MINUTE, _SECOND = 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000
_MONTHS, _LAST_YEAR, _WEEK = 12, 9999, 7
_LEAST, _LARGEST = -(2**63), 2**63 - 1

Interval = tuple[int, int, int]


def micros_of(moment: datetime) -> int:
    """Count microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def _beyond() -> Exception:
    return fails("A time leaves the years 1 to 9999, which is all that a client of DuckDB can see")


def _moved(moment: datetime, interval: Interval, sign: int) -> datetime:
    """Add months first, then days, then microseconds."""
    months, days, micros = interval
    try:
        if months:
            moment = _by_months(moment, sign * months)
        return moment + timedelta(days=sign * days, microseconds=sign * micros)
    except (OverflowError, ValueError):
        raise _beyond() from None


def _by_months(moment: datetime, months: int) -> datetime:
    count = moment.year * _MONTHS + moment.month - 1 + months
    year, month = divmod(count, _MONTHS)
    if not 1 <= year <= _LAST_YEAR:
        raise ValueError
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def _plus(moment: datetime, interval: Interval) -> datetime:
    return _moved(moment, interval, 1)


def _minus(moment: datetime, interval: Interval) -> datetime:
    return _moved(moment, interval, -1)


def _date_plus(day: date, interval: Interval) -> datetime:
    return _moved(datetime.combine(day, time()), interval, 1)


def _date_minus(day: date, interval: Interval) -> datetime:
    return _moved(datetime.combine(day, time()), interval, -1)


def _later(sign: int) -> Callable[[date, int], date]:
    def run(day: date, days: int) -> date:
        try:
            return day + timedelta(days=sign * days)
        except OverflowError:
            raise _beyond() from None

    return run


def _between(later: datetime, earlier: datetime) -> Interval:
    """Give whole days, and the rest with the same sign."""
    micros = (later - earlier) // MICROSECOND
    days = abs(micros) // _DAY
    days = -days if micros < 0 else days
    return 0, days, micros - days * _DAY


def _spans(unit: int, word: str) -> Callable[[int], Interval]:
    def run(count: int) -> Interval:
        micros = count * unit
        if not _LEAST <= micros <= _LARGEST:
            raise fails(f"An interval of {count} {word} is too long")
        return 0, 0, micros

    return run


def _epoch(moment: date) -> float:
    if isinstance(moment, datetime):
        return micros_of(moment) / 1e6
    return float((moment.toordinal() - EPOCH.toordinal()) * 86_400)


def _week(moment: date) -> int:
    return moment.isocalendar().week


def _isoyear(moment: date) -> int:
    return moment.isocalendar().year


def _start_of_week(moment: datetime) -> datetime:
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return day - timedelta(days=day.weekday())
    except OverflowError:
        raise _beyond() from None


_MIDNIGHT: Mapping[str, Any] = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
_STARTS: Mapping[str, Callable[[datetime], datetime]] = {
    "second": lambda t: t.replace(microsecond=0),
    "minute": lambda t: t.replace(second=0, microsecond=0),
    "hour": lambda t: t.replace(minute=0, second=0, microsecond=0),
    "day": lambda t: t.replace(**_MIDNIGHT),
    "week": _start_of_week,
    "month": lambda t: t.replace(day=1, **_MIDNIGHT),
    "quarter": lambda t: t.replace(month=(t.month - 1) // 3 * 3 + 1, day=1, **_MIDNIGHT),
    "year": lambda t: t.replace(month=1, day=1, **_MIDNIGHT),
}


def _trunc(call: Call) -> Callable[[str, Any], Any] | None:
    start = _STARTS.get(call.constant(0)) if isinstance(call.constant(0), str) else None
    source: Type = call.arguments[1].type
    if start is None:
        return None
    if source.name == call.result.name == TIMESTAMP:
        return lambda _, moment: start(moment)
    if source.name != DATE:
        return None
    if call.result.name == TIMESTAMP:
        return lambda _, day: start(datetime.combine(day, time()))
    return lambda _, day: start(datetime.combine(day, time())).date()


_COUNTS: Mapping[str, Callable[[datetime], int]] = {
    "second": lambda t: micros_of(t) // _SECOND,
    "minute": lambda t: micros_of(t) // _MINUTE,
    "hour": lambda t: micros_of(t) // _HOUR,
    "day": lambda t: t.toordinal(),
    "month": lambda t: t.year * _MONTHS + t.month,
    "quarter": lambda t: t.year * 4 + (t.month - 1) // 3,
    "year": lambda t: t.year,
}
_OF_DATES = {"day", "month", "quarter", "year"}


def _diff(call: Call) -> Callable[..., int] | None:
    unit = call.constant(0)
    count = _COUNTS.get(unit) if isinstance(unit, str) else None
    names = {argument.type.name for argument in call.arguments[1:]}
    if count is None or len(names) > 1 or (names == {DATE} and unit not in _OF_DATES):
        return None
    return lambda _, start, end: count(end) - count(start)


_FORMATS: Mapping[str, Callable[[date], str]] = {
    "%Y": lambda t: f"{t.year:04}",
    "%m": lambda t: f"{t.month:02}",
    "%d": lambda t: f"{t.day:02}",
    "%H": lambda t: f"{t.hour:02}" if isinstance(t, datetime) else "00",
    "%M": lambda t: f"{t.minute:02}" if isinstance(t, datetime) else "00",
    "%S": lambda t: f"{t.second:02}" if isinstance(t, datetime) else "00",
}


def _strftime(call: Call) -> Callable[[date, str], str] | None:
    form = call.constant(1)
    if not isinstance(form, str):
        return None
    first, *rest = form.split("%")
    parts: list[Callable[[date], str]] = [lambda _: first]
    for each in rest:
        sign = _FORMATS.get(f"%{each[:1]}")
        if sign is None:
            return None
        parts += [sign, lambda _, text=each[1:]: text]
    return lambda moment, _: "".join([part(moment) for part in parts])


def _part(compute: Callable[[Any], int], *names: str, takes: tuple[str, ...] = _BOTH) -> Function:
    return Function(names, (takes,), same(compute))


FUNCTIONS = (
    _part(lambda t: t.year, "year"),
    _part(lambda t: (t.month + 2) // 3, "quarter"),
    _part(lambda t: t.month, "month"),
    _part(_week, "week", "weekofyear"),
    _part(_isoyear, "isoyear"),
    _part(lambda t: t.day, "day", "dayofmonth"),
    _part(lambda t: t.timetuple().tm_yday, "dayofyear"),
    _part(lambda t: t.isoweekday() % _WEEK, "dayofweek", "weekday"),
    _part(lambda t: t.isoweekday(), "isodow"),
    _part(lambda t: t.hour, "hour", takes=_TIMES),
    _part(lambda t: t.minute, "minute", takes=_TIMES),
    _part(lambda t: t.second, "second", takes=_TIMES),
    Function(("epoch",), (_BOTH,), same(_epoch)),
    Function(("epoch_us",), (_TIMES,), same(micros_of)),
    Function(("+",), (_TIMES, _SPAN), same(_plus)),
    Function(("-",), (_TIMES, _SPAN), same(_minus)),
    Function(("+",), (_DATES, _SPAN), same(_date_plus)),
    Function(("-",), (_DATES, _SPAN), same(_date_minus)),
    Function(("+",), (_DATES, ("INTEGER",)), same(_later(1))),
    Function(("-",), (_DATES, ("INTEGER",)), same(_later(-1))),
    Function(("-",), (_DATES, _DATES), same(lambda x, y: (x - y).days)),
    Function(("-",), (_TIMES, _TIMES), same(_between), "inside of a query, not as an output"),
    Function(("to_hours",), (("BIGINT",),), same(_spans(_HOUR, "hours"))),
    Function(("to_minutes",), (("BIGINT",),), same(_spans(_MINUTE, "minutes"))),
    Function(("date_trunc", "datetrunc"), (("VARCHAR",), _BOTH), _trunc, ", ".join(_STARTS)),
    Function(("date_diff", "datediff"), (("VARCHAR",), _BOTH, _BOTH), _diff, ", ".join(_COUNTS)),
    Function(("strftime",), (_BOTH, ("VARCHAR",)), _strftime, "a constant of %Y %m %d %H %M %S"),
)
