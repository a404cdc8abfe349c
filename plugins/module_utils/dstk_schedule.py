"""When hosts start, stop, and stop for good: the keys `schedule` and `lease`, read. Pure; standard library only."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LEASE_OF_ONE = 7
"""Days that a deployment of one person runs where nothing else is said."""
LEASE_OF_CLASS = 120
"""Days of a class: the longest semesters of the usual calendars have 17 weeks."""
LEAD = 15
"""Minutes that hosts start before the class does. A stopped host takes one to be up again, Docker one more; the starts
of a class are spread over five, and AWS may be slow."""
SPREAD = 5
"""Minutes over which AWS spreads the starts and stops of a class: EC2 takes five such calls a second."""
PATH = "/dstk/"
"""Of the role."""
UNTIL_TAG = "dstk:until"
_DAY = 24 * 60
_WEEK = 7 * _DAY


@dataclass(frozen=True)
class Times:
    """A time of the day on some days of the week; 0 is Monday."""

    days: tuple[int, ...]
    hour: int
    minute: int

    def minutes(self) -> list[int]:
        """Answer the minutes of a week, from Monday 0:00, at which it is that time."""
        return [(day * 24 + self.hour) * 60 + self.minute for day in self.days]

    def earlier(self, minutes: int) -> Times:
        """Answer the times so many minutes before, at most a day."""
        back, minute = divmod(self.hour * 60 + self.minute - minutes, _DAY)
        days = tuple(sorted((day + back) % 7 for day in self.days))
        return Times(days, *divmod(minute, 60))


def parse_times(text: str) -> Times:
    """Read `22:00`, `Mon-Fri 08:00` or `Mon,Wed 13:30`. Raises ValueError, which says what is wrong."""
    # YAML 1.1 reads 22:00 without quotes as the number 1320, base 60
    if re.fullmatch(r"\d+", text):
        hour, minute = divmod(int(text), 60)
        raise ValueError(f"{text} is what YAML makes of {hour:02}:{minute:02} without quotes")
    found = re.fullmatch(r"(?:(?P<days>[A-Za-z,-]+)\s+)?(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a time")
    days = _parse_days(found["days"]) if found["days"] else tuple(range(7))
    return Times(days, int(found["hour"]), int(found["minute"]))


def _parse_days(text: str) -> tuple[int, ...]:
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _parse_day(first), _parse_day(last or first)
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return tuple(sorted(days))


def _parse_day(text: str) -> int:
    name = text.strip()[:3].capitalize()
    if name not in DAYS:
        raise ValueError(f"{text!r} is not a day of the week")
    return DAYS.index(name)


def cron(times: Times) -> str:
    """Answer the expression by which EventBridge Scheduler knows these times."""
    days = ",".join(DAYS[day].upper() for day in times.days)
    return f"cron({times.minute} {times.hour} ? * {days} *)"


def find_clash(schedule: Mapping[str, Any]) -> bool:
    """Answer whether hosts would be stopped just when they have been started for a class.

    They start `LEAD` minutes before it, and AWS spreads starts and stops over `SPREAD`.
    """
    if not schedule.get("start") or not schedule.get("stop"):
        return False
    starts = parse_times(str(schedule["start"])).minutes()
    stops = parse_times(str(schedule["stop"])).minutes()
    return any((stop - start + LEAD + SPREAD) % _WEEK < LEAD + 2 * SPREAD for start in starts for stop in stops)


def hours_a_week(schedule: Mapping[str, Any]) -> float | None:
    """Answer how many hours of a week hosts run by this schedule, None where it does not say when they start."""
    if not schedule.get("start") or not schedule.get("stop"):
        return None
    events = [(minute, True) for minute in parse_times(str(schedule["start"])).minutes()]
    events += [(minute, False) for minute in parse_times(str(schedule["stop"])).minutes()]
    events.sort()
    running = events[-1][1]
    total, since = 0, 0
    for minute, starts in [*events, (_WEEK, False)]:
        total += (minute - since) if running else 0
        running, since = starts, minute
    return total / 60


def find_end(
    schedule: Mapping[str, Any], lease: str | int, *, members: int, now: datetime.datetime
) -> datetime.datetime:
    """Answer when hosts are stopped for good: at the end of the day `until`, else after the lease. In UTC.

    A lease counts from `now`, in days; `auto` is that of one person or of a class.
    """
    if until := schedule.get("until"):
        day = until if isinstance(until, datetime.date) else datetime.date.fromisoformat(str(until))
        zone = zoneinfo.ZoneInfo(str(schedule.get("timezone", "UTC")))
        midnight = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), tzinfo=zone)
        return midnight.astimezone(datetime.UTC)
    days = (LEASE_OF_CLASS if members > 1 else LEASE_OF_ONE) if lease == "auto" else int(lease)
    return (now + datetime.timedelta(days=days)).astimezone(datetime.UTC)


def settle_end(
    known: Iterable[str], schedule: Mapping[str, Any], lease: str | int, *, members: int, now: datetime.datetime
) -> datetime.datetime:
    """Answer when a deployment ends whose hosts bear these tags `dstk:until`: the latest of them is kept.

    A lease counts from the first host on. A later date in the file prolongs, an earlier one does not shorten: who
    extended a deployment did so after the file was written.
    """
    ends = [parse_moment(text) for text in known if text]
    if not ends or schedule.get("until"):
        ends.append(find_end(schedule, lease, members=members, now=now))
    return max(ends)


def prolong(end: datetime.datetime, *, by: str, until: str, zone: str, now: datetime.datetime) -> datetime.datetime:
    """Answer the end that somebody asks for: `by` (`7d`, `12h`) after the end, or after now where that is over.

    `until` is the end of that day in the time zone instead. Raises ValueError, which says what is wrong.
    """
    if bool(by) == bool(until):
        raise ValueError("name either how long, such as 7d, or a date")
    if until:
        try:
            wanted = find_end({"until": until, "timezone": zone}, 0, members=1, now=now)
        except ValueError:
            raise ValueError(f"{until!r} is not a date such as 2026-12-18") from None
    else:
        found = re.fullmatch(r"([1-9]\d{0,3})([dh])", by.strip())
        if not found:
            raise ValueError(f"{by!r} is neither days nor hours, such as 7d or 12h")
        hours = int(found[1]) * (24 if found[2] == "d" else 1)
        wanted = max(end, now) + datetime.timedelta(hours=hours)
    if wanted <= now:
        raise ValueError(f"{format_moment(wanted)} is over")
    return wanted


def parse_moment(text: str) -> datetime.datetime:
    """Read a moment as the tag has it: ISO 8601, UTC."""
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)


def format_moment(moment: datetime.datetime) -> str:
    """Write a moment as the tag has it, without parts of a second."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_group(deployment: str) -> str:
    """Answer the schedule group of a deployment."""
    return f"dstk-{deployment}"


def find_role(deployment: str, region: str) -> str:
    """Answer the role by which its schedules are carried out. Roles are of an account, and deployments of a region."""
    return f"{deployment}-{region}-schedule"


def find_budget(deployment: str, region: str) -> str:
    """Answer the AWS Budget of a deployment."""
    return f"dstk-{deployment}-{region}"


def find_budget_role(deployment: str, region: str) -> str:
    """Answer the role by which that budget stops the hosts."""
    return f"{deployment}-{region}-budget"


def find_hold(deployment: str, region: str) -> str:
    """Answer the policy by which that budget keeps schedules from starting the hosts again."""
    return f"{deployment}-{region}-budget"


def find_expiry_group(deployment: str) -> str:
    """Answer the schedule group by which its last snapshots are deleted. No deployment has such a name: see the `_`."""
    return f"dstk-{deployment}_expiry"


def find_expiry_role(deployment: str, region: str) -> str:
    """Answer the role by which that is carried out."""
    return f"{deployment}-{region}-expiry"
