"""Which backups are kept, and which are the newest."""

from __future__ import annotations

import datetime
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.plugins import load_plugin

TODAY = "2026-11-25"


@pytest.fixture(scope="module")
def backup() -> ModuleType:
    return load_plugin("module_utils/dstk_backup")


def snapshot(day: int, homes: str = "ada", **tags: str) -> dict[str, Any]:
    """A whole backup of a day in November."""
    named = {"dstk:homes": homes, "dstk:kind": "backup", **{f"dstk:{key}": value for key, value in tags.items()}}
    return {
        "SnapshotId": f"snap-{homes}-{day:02}",
        "State": "completed",
        "StartTime": datetime.datetime(2026, 11, day, tzinfo=datetime.UTC),
        "Tags": [{"Key": key, "Value": value} for key, value in named.items()],
    }


def test_of_each_home_the_newest_are_kept(backup: ModuleType) -> None:
    rows = [snapshot(day, homes) for day in (3, 1, 2) for homes in ("ada", "ben")]
    assert sorted(backup.find_old(rows, keep=2, today=TODAY)) == ["snap-ada-01", "snap-ben-01"]


def test_what_has_expired_goes_but_never_the_newest_of_a_home(backup: ModuleType) -> None:
    rows = [snapshot(1, expires="2026-11-20", kind="final"), snapshot(2, "ben", expires="2026-11-20"), snapshot(5)]
    assert backup.find_old(rows, keep=7, today=TODAY) == ["snap-ada-01"]


def test_those_that_aws_counts_itself_are_left_alone(backup: ModuleType) -> None:
    rows = [snapshot(day) for day in (1, 2, 3)]
    for row in rows:
        row["Tags"].append({"Key": "aws:dlm:lifecycle-policy-id", "Value": "policy-1"})
    assert backup.find_old([*rows, snapshot(4)], keep=1, today=TODAY) == []


def test_one_that_is_not_whole_is_neither_counted_nor_restored(backup: ModuleType) -> None:
    rows = [snapshot(1), snapshot(2) | {"State": "pending"}]
    assert backup.find_old(rows, keep=1, today=TODAY) == []
    assert backup.find_latest(rows)["ada"]["SnapshotId"] == "snap-ada-01"


@given(days=st.sets(st.integers(1, 28)), keep=st.integers(0, 30))
def test_a_home_is_never_left_without_a_backup(backup: ModuleType, days: set[int], keep: int) -> None:
    old = backup.find_old([snapshot(day, expires="2026-01-01") for day in days], keep=keep, today=TODAY)
    assert len(old) < len(days) or not days


def test_the_description_changes_with_what_is_asked_for(backup: ModuleType) -> None:
    texts = {
        backup.describe_policy("x", backup.find_policy("x", schedule))
        for schedule in ({"at": "03:00"}, {"at": "03:00", "keep": 7}, {"at": "04:00"})
    }
    assert len(texts) == 2
