"""What the keys about cost and its end may hold: budget, schedule, lease, backups."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dstk_runner.project import load_schedule

__all__ = ["Backups", "Budget", "Idle", "Lease", "Schedule", "wrong"]


def wrong(message: str, fix: str) -> PydanticCustomError:
    """Return the error that says what is wrong with a value, and how to mend it."""
    return PydanticCustomError("dstk", "{message}", {"message": message, "fix": fix})


def _check_budget(value: object) -> object:
    # AWS counts in cents
    amount = isinstance(value, int | float) and not isinstance(value, bool) and (value == 0 or value >= 0.01)
    if amount and float(str(value)) <= 1_000_000:
        return value
    raise wrong(f"{value!r} is not an amount of USD", "write 0 for none, or such as 200")


def _check_lease(value: object) -> object:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 366):
        return value
    raise wrong(f"{value!r} is neither auto nor a number of days up to 366", "write auto, or such as 7")


def _check_idle(value: int) -> int:
    # who is logged in is told ten minutes before, and Ansible needs some minutes to configure a host
    if value == 0 or 15 <= value <= 10080:
        return value
    raise wrong(f"{value} minutes is not 15 to 10080", "write 0 for never, or such as 120")


def _check_schedule(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        return value
    strange = sorted(set(value) - {"start", "stop", "timezone", "until"})
    if strange:
        raise wrong(f"a schedule has no {strange[0]}", "its keys are start, stop, timezone and until")
    _check_zone(str(value.get("timezone", "UTC")))
    if "until" in value:
        _check_date(value["until"])
    for key in ("start", "stop"):
        if key in value:
            try:
                load_schedule().parse_times(str(value[key]))
            except ValueError as error:
                raise wrong(f"{key}: {error}", 'such as "Mon-Fri 08:00", or "22:00" for every day') from None
    if "start" in value and "stop" not in value:
        raise wrong("it starts hosts that nothing stops", 'add such as stop: "22:00"')
    if load_schedule().find_clash(value):
        raise wrong("it stops hosts just when they have been started", "a stop that is later, or 20 minutes earlier")
    return value


def _check_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise wrong(f"{name!r} is not a time zone", "such as America/Los_Angeles, or UTC")


def _check_date(value: object) -> None:
    # YAML reads 2026-12-18 as a date
    if isinstance(value, datetime.date):
        return
    try:
        datetime.date.fromisoformat(str(value))
    except ValueError:
        raise wrong(f"until: {value!r} is not a date", "such as 2026-12-18") from None


def _check_backups(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        return value
    strange = sorted(set(value) - {"at", "keep"})
    if strange:
        raise wrong(f"there is no {strange[0]} of backups", "their keys are at and keep")
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", str(value.get("at", ""))):
        raise wrong(f"{value.get('at')!r} is not a time of the day", 'in UTC and in quotes, such as at: "03:00"')
    keep = value.get("keep", 7)
    # Data Lifecycle Manager keeps 1 to 1000 snapshots by count
    if not isinstance(keep, int) or isinstance(keep, bool) or not 1 <= keep <= 1000:
        raise wrong(f"{keep!r} is not a number of snapshots from 1 to 1000", "such as keep: 7")
    return value


Budget = Annotated[object, AfterValidator(_check_budget)]
Lease = Annotated[object, AfterValidator(_check_lease)]
Idle = Annotated[int, AfterValidator(_check_idle)]
Schedule = Annotated[dict[str, Any], AfterValidator(_check_schedule)]
Backups = Annotated[dict[str, Any], AfterValidator(_check_backups)]
