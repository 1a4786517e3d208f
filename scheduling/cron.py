"""Cron expressions, read once and written for each scheduler in its own words.

Schedulers disagree on parts of the syntax: which day is 0, what both a day of the month and a day
of the week mean. So an expression is read into the values that it stands for, and what the
schedulers would take differently is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from .errors import ScheduleError

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

__all__ = ["Cron", "next_runs", "parse_cron", "read_timezone"]

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
EXAMPLE = "Write five fields, such as '5 * * * *': five minutes past every hour."
SHORTEST_RANGE = 3


@dataclass(frozen=True, slots=True)
class Field:
    """One of the five fields: its name, the values that it may have, and names for them."""

    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()
    first_named: int = 0


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, MONTHS, 1),
    Field("day of the week", 0, 6, WEEKDAYS),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """When a schedule runs; each field has all values that it stands for, in order."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    """0 is Sunday."""

    def __str__(self) -> str:
        """Write the expression for cron, and for what reads it as cron does."""
        values = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        return " ".join(map(write_field, FIELDS, values))

    def calendar(self, timezone: str | None) -> str:
        """Write the expression for systemd."""
        names = ",".join(WEEKDAYS[day].title() for day in self.weekdays)
        day = "" if len(self.weekdays) == len(WEEKDAYS) else f"{names} "
        months, days = self.systemd_field(3, self.months), self.systemd_field(2, self.days)
        hours, minutes = self.systemd_field(1, self.hours), self.systemd_field(0, self.minutes)
        zone = "" if timezone is None else f" {timezone}"
        return f"{day}*-{months}-{days} {hours}:{minutes}:00{zone}"

    @staticmethod
    def systemd_field(place: int, values: tuple[int, ...]) -> str:
        """Write one field: systemd knows lists."""
        field = FIELDS[place]
        if len(values) == field.last - field.first + 1:
            return "*"
        return ",".join(f"{value:02d}" for value in values)

    def trigger(self, timezone: tzinfo | None) -> CronTrigger:
        """Make APScheduler's trigger, in this machine's time zone where none is named."""
        from apscheduler.triggers.cron import CronTrigger

        minutes, hours, days, months = (
            ",".join(map(str, values))
            for values in (self.minutes, self.hours, self.days, self.months)
        )
        # By name: APScheduler's day 0 is Monday.
        weekdays = ",".join(WEEKDAYS[day] for day in self.weekdays)
        return CronTrigger(
            month=months,
            day=days,
            day_of_week=weekdays,
            hour=hours,
            minute=minutes,
            timezone=timezone,
        )


def write_field(field: Field, values: tuple[int, ...]) -> str:
    if len(values) == field.last - field.first + 1:
        return "*"
    parts: list[list[int]] = []
    for value in values:
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    return ",".join(
        f"{part[0]}-{part[-1]}" if len(part) >= SHORTEST_RANGE else ",".join(map(str, part))
        for part in parts
    )


def parse_cron(text: str) -> Cron:
    """Read a cron expression.

    Parameters
    ----------
    text
        Five fields of numbers, names, lists, ranges and steps, or a name such as ``@daily``.

    Raises
    ------
    ScheduleError
        It is none, it never comes true, or schedulers would take it differently.
    """
    words = NICKNAMES.get(text.strip().lower(), text).split()
    if len(words) != len(FIELDS):
        count = "one field" if len(words) == 1 else f"{len(words)} fields"
        raise ScheduleError(f"The cron expression {text!r} has {count}.\n  What to do: {EXAMPLE}")
    values = tuple(read_field(text, *pair) for pair in zip(FIELDS, words, strict=True))
    cron = Cron(*values)
    if len(cron.days) < FIELDS[2].last and len(cron.weekdays) < len(WEEKDAYS):
        raise ScheduleError(
            f"The cron expression {text!r} names days of the month and days of the week. Cron runs "
            "on either of them, systemd only where both are true.\n  What to do: write two "
            "schedules, each with * in one of the two fields."
        )
    return cron


def read_field(text: str, field: Field, word: str) -> tuple[int, ...]:
    values: set[int] = set()
    for part in word.lower().split(","):
        found = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", part)
        if found is None:
            raise refused(text, field, part)
        first, last = field.first, field.last
        if found[1] != "*":
            first = read_value(text, field, found[2])
            last = read_value(text, field, found[3]) if found[3] else first
            if found[4] and not found[3]:
                last = field.last
        step = int(found[4] or 1)
        if step == 0 or first > last:
            raise refused(text, field, part)
        values.update(range(first, last + 1, step))
    # Sunday is 0 and 7.
    return tuple(sorted({value % 7 for value in values} if field.names == WEEKDAYS else values))


def read_value(text: str, field: Field, word: str) -> int:
    if word in field.names:
        return field.names.index(word) + field.first_named
    last = 7 if field.names == WEEKDAYS else field.last
    if not word.isdecimal() or not field.first <= int(word) <= last:
        raise refused(text, field, word)
    return int(word)


def refused(text: str, field: Field, part: str) -> ScheduleError:
    names = f", or {field.names[0]} to {field.names[-1]}" if field.names else ""
    return ScheduleError(
        f"The cron expression {text!r} has {part!r} as {field.name}, which is a number from "
        f"{field.first} to {field.last}{names}; also *, lists (1,2), ranges (1-5) and steps "
        f"(*/15).\n  What to do: {EXAMPLE}"
    )


def read_timezone(name: str) -> tzinfo:
    """Find a time zone by its IANA name.

    Raises
    ------
    ScheduleError
        This machine knows none of that name.
    """
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ScheduleError(
            f"There is no time zone {name!r}.\n"
            "  What to do: write an IANA name, such as UTC or Europe/Berlin."
        ) from error


def next_runs(cron: Cron, timezone: tzinfo | None, count: int = 3) -> list[datetime]:
    """Say when a schedule runs next.

    Raises
    ------
    ScheduleError
        It never does.
    """
    trigger = cron.trigger(timezone)
    found: list[datetime] = []
    now = datetime.now(trigger.timezone)
    for _ in range(count):
        time: datetime | None = trigger.get_next_fire_time(found[-1] if found else None, now)
        if time is None:
            break
        found.append(time)
        now = time + timedelta(seconds=1)
    if not found:
        raise ScheduleError(
            f"The cron expression '{cron}' never comes true: no such month has that day.\n"
            f"  What to do: {EXAMPLE}"
        )
    return found
