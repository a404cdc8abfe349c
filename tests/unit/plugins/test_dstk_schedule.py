"""When hosts start and stop."""

from __future__ import annotations

import datetime

import pytest

from support.plugins import load_plugin

schedule = load_plugin("module_utils/dstk_schedule")
UTC = datetime.UTC
NOW = datetime.datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("22:00", "cron(0 22 ? * MON,TUE,WED,THU,FRI,SAT,SUN *)"),
        ("Mon-Fri 08:30", "cron(30 8 ? * MON,TUE,WED,THU,FRI *)"),
        ("Fri-Mon 8:05", "cron(5 8 ? * MON,FRI,SAT,SUN *)"),
        ("Monday,wed 13:00", "cron(0 13 ? * MON,WED *)"),
    ],
)
def test_times_become_the_expressions_of_the_scheduler(text: str, expression: str) -> None:
    assert schedule.cron(schedule.parse_times(text)) == expression


@pytest.mark.parametrize(
    ("text", "words"),
    [("25:00", "not a time"), ("Mo 8", "not a time"), ("Xyz 08:00", "not a day"), ("1320", "22:00 without quotes")],
)
def test_what_is_no_time_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        schedule.parse_times(text)


@pytest.mark.parametrize(
    ("start", "stop", "hours"),
    [
        ("Mon-Fri 08:00", "22:00", 5 * 14),
        ("Mon-Fri 08:00", "Fri 22:00", 4 * 24 + 14),
        ("Sun 22:00", "Mon 02:00", 4),
        ("08:00", "08:30", 3.5),
    ],
)
def test_the_hours_of_a_week_are_those_between_starts_and_stops(start: str, stop: str, hours: float) -> None:
    assert schedule.hours_a_week({"start": start, "stop": stop}) == hours


def test_a_schedule_that_only_stops_does_not_say_how_long_hosts_run() -> None:
    assert schedule.hours_a_week({"stop": "22:00"}) is None


def test_the_end_is_the_end_of_the_day_where_the_class_is() -> None:
    end = schedule.find_end({"until": "2026-12-18", "timezone": "America/Los_Angeles"}, "auto", members=3, now=NOW)
    assert end == datetime.datetime(2026, 12, 19, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("lease", "members", "days"), [("auto", 1, 7), ("auto", 30, 120), (14, 30, 14)])
def test_without_a_date_the_end_is_that_of_the_lease(lease: str | int, members: int, days: int) -> None:
    end = schedule.find_end({}, lease, members=members, now=NOW)
    assert end - NOW == datetime.timedelta(days=days)
