from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import write_overview
from dstk_runner.handouts.overview import render_overview
from dstk_runner.handouts.people import Person
from dstk_runner.results import Failure
from support.classes import notebook, seen, wanted

NOON = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def read(page: str) -> str:
    """The text of a page, in one line."""
    body = page[page.index("<body") :]
    return " ".join(unescape(re.sub(r"<script>.*?</script>|<[^>]+>", " ", body, flags=re.DOTALL)).split())


def look(failures: tuple[Failure, ...] = (), note: str = "", **fields: Any) -> str:
    """The overview of Ada alone, whose notebook has these fields, as of noon."""
    book = notebook("ada", **fields)
    ada = Person(login="ada", name="Ada Lovelace", notebook=book, failures=failures)
    return read(render_overview(seen(book, failures=failures), (ada,), as_of=NOON, note=note))


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("ready", "✓ 1 ready"),
        ("starting", "… 1 starting"),
        ("failed", "✗ 1 failed"),
        ("stopped", "■ 1 stopped"),
        ("unreachable", "? 1 unreachable"),
        ("missing", "○ 1 missing"),
    ],
)
def test_states_are_counted_with_a_word_and_a_mark(state: str, shown: str) -> None:
    assert f"1 student {shown}" in look(state=state)


@pytest.mark.parametrize(
    ("then", "shown"),
    [
        ("2026-11-25T11:59:30Z", "just now"),
        ("2026-11-25T11:56:00+00:00", "4 min ago"),
        ("2026-11-25T03:00:00Z", "9 h ago"),
        ("2026-11-22T12:00:00Z", "3 d ago"),
    ],
)
def test_the_last_activity_is_told_in_its_largest_unit(then: str, shown: str) -> None:
    assert f" {shown} " in look(last_activity=then)


def test_memory_and_disk_are_told_as_people_say_them() -> None:
    shown = look()
    assert "812 MB of 2.0 GB" in shown
    assert "1.3 GB, 18.0 GB free" in shown


def test_what_is_not_known_is_a_dash() -> None:
    unknown = look(last_activity="", memory_used=None, memory_limit=None, disk_used=None, disk_free=None)
    assert "of=ada \N{EN DASH} \N{EN DASH} \N{EN DASH}" in unknown


@pytest.mark.parametrize("fields", [{"memory_used": 2000 << 20}, {"disk_free": 500 << 20}])
def test_little_room_is_said_in_words(fields: dict[str, Any]) -> None:
    assert "nearly full" in look(**fields)


def test_room_enough_is_not_worth_a_word() -> None:
    assert "nearly full" not in look()


def test_a_failure_stands_with_its_remedy() -> None:
    failure = Failure(stage="status", student="ada", message="it does not work", fix="dstk up")
    assert "Ada Lovelace : it does not work Fix: dstk up" in look(failures=(failure,), state="failed")


def test_a_failure_of_nobody_in_particular_is_told_too() -> None:
    failure = Failure(stage="status", host="i-9", message="it is gone", fix="dstk up")
    assert "i-9 : it is gone Fix: dstk up" in look(failures=(failure,))


def test_the_failure_of_a_host_is_told_once_with_all_its_students() -> None:
    failures = tuple(Failure(student=login, host="i-1", message="no answer", fix="dstk up") for login in ("ada", "bob"))
    people = tuple(Person(login=login, name=login.title()) for login in ("ada", "bob"))
    page = render_overview(seen(failures=failures), people, as_of=NOON)
    assert "Ada , Bob : no answer Fix: dstk up" in read(page)
    assert page.count("no answer") == 1


def test_the_moment_of_the_data_is_told() -> None:
    assert f"as of {NOON.astimezone():%H:%M:%S}" in look()


def test_why_the_data_is_old_is_told() -> None:
    assert "Not refreshed. no network" in look(note="no network")


def test_who_left_the_roster_is_named() -> None:
    page = render_overview(replace(seen(), gone={"bob": "i-1"}), (), as_of=NOON)
    assert "Not in the roster any more: bob. dstk up --prune" in read(page)


@pytest.mark.usefixtures("home")
def test_the_file_is_written_where_it_was_asked_for() -> None:
    path = write_overview(seen(notebook("ada")), "class.html", config=wanted("ada"))
    assert path == Path("class.html")
    assert "ready" in path.read_text()
