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


@pytest.mark.parametrize(
    ("start", "stop", "clash"),
    [
        ("08:00", "08:00", True),
        ("Mon-Fri 08:00", "07:45", True),
        ("Mon 00:10", "Sun 23:55", True),
        ("08:00", "07:39", False),
        ("08:00", "08:30", False),
        ("Mon-Fri 08:00", "Sat 08:00", False),
        ("Mon-Fri 08:00", "22:00", False),
    ],
)
def test_a_stop_in_the_minutes_in_which_hosts_start_would_leave_a_class_without(
    start: str, stop: str, clash: bool
) -> None:
    assert schedule.find_clash({"start": start, "stop": stop}) is clash


def test_a_name_of_an_account_holds_the_region_and_fits_where_names_are_longest() -> None:
    names = [
        find("d" * 40, "ap-southeast-1")
        for find in (schedule.find_role, schedule.find_budget_role, schedule.find_expiry_role)
    ]
    assert max(map(len, names)) <= 64
    assert all("ap-southeast-1" in name for name in [*names, schedule.find_budget("d", "ap-southeast-1")])


def test_a_schedule_that_only_stops_does_not_say_how_long_hosts_run() -> None:
    assert schedule.hours_a_week({"stop": "22:00"}) is None


def test_the_end_is_the_end_of_the_day_where_the_class_is() -> None:
    end = schedule.find_end({"until": "2026-12-18", "timezone": "America/Los_Angeles"}, "auto", members=3, now=NOW)
    assert end == datetime.datetime(2026, 12, 19, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(("lease", "members", "days"), [("auto", 1, 7), ("auto", 30, 120), (14, 30, 14)])
def test_without_a_date_the_end_is_that_of_the_lease(lease: str | int, members: int, days: int) -> None:
    end = schedule.find_end({}, lease, members=members, now=NOW)
    assert end - NOW == datetime.timedelta(days=days)


@pytest.mark.parametrize(
    ("text", "expression"),
    [("Mon-Fri 08:00", "cron(45 7 ? * MON,TUE,WED,THU,FRI *)"), ("Mon 00:10", "cron(55 23 ? * SUN *)")],
)
def test_hosts_start_earlier_and_if_need_be_the_day_before(text: str, expression: str) -> None:
    assert schedule.cron(schedule.parse_times(text).earlier(schedule.LEAD)) == expression


def test_the_latest_end_that_hosts_tell_of_is_kept_and_a_lease_does_not_begin_anew() -> None:
    known = ["2026-09-03T00:00:00Z", "2026-09-05T00:00:00Z", ""]
    end = schedule.settle_end(known, {}, "auto", members=1, now=NOW)
    assert schedule.format_moment(end) == "2026-09-05T00:00:00Z"


@pytest.mark.parametrize(
    ("until", "end"), [("2026-09-10", "2026-09-11T00:00:00Z"), ("2026-09-02", "2026-09-05T00:00:00Z")]
)
def test_a_later_date_in_the_file_prolongs_and_an_earlier_one_does_not_shorten(until: str, end: str) -> None:
    found = schedule.settle_end(["2026-09-05T00:00:00Z"], {"until": until}, "auto", members=1, now=NOW)
    assert schedule.format_moment(found) == end


@pytest.mark.parametrize(
    ("end", "by", "until", "found"),
    [
        ("2026-09-05T00:00:00Z", "7d", "", "2026-09-12T00:00:00Z"),
        ("2026-08-05T00:00:00Z", "12h", "", "2026-09-02T00:00:00Z"),
        ("2026-09-05T00:00:00Z", "", "2026-09-02", "2026-09-02T22:00:00Z"),
    ],
)
def test_an_end_moves_by_a_time_or_to_a_date(end: str, by: str, until: str, found: str) -> None:
    moved = schedule.prolong(schedule.parse_moment(end), by=by, until=until, zone="Europe/Berlin", now=NOW)
    assert schedule.format_moment(moved) == found


@pytest.mark.parametrize(
    ("by", "until", "words"),
    [
        ("", "", "name either"),
        ("7d", "2026-12-01", "name either"),
        ("0d", "", "neither days nor hours"),
        ("soon", "", "neither days nor hours"),
        ("", "tomorrow", "not a date"),
        ("", "2026-08-01", "is over"),
    ],
)
def test_an_end_that_means_nothing_is_refused(by: str, until: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        schedule.prolong(NOW, by=by, until=until, zone="UTC", now=NOW)
