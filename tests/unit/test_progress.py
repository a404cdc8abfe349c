from __future__ import annotations

import io
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from dstk_runner.config import load_config
from dstk_runner.events import Event, Status
from dstk_runner.pace import estimate_rest, keep_pace, read_pace
from dstk_runner.progress import Progress
from dstk_runner.state import ensure_folder


def show(*events: Event, terminal: bool = False, pause: float = 0.0, students: int = 1) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, height=25, color_system=None)
    with Progress(console, students=students) as progress:
        for event in events:
            progress(event)
            time.sleep(pause)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def task(name: str, status: str = "started", *, host: str = "i-1", stage: str = "configure") -> Event:
    return Event(stage=stage, host=host, task=name, status=status)  # type: ignore[arg-type] # a test's shorthand


def test_plain_lines_name_stages_and_changes() -> None:
    shown = show(Event(stage="configure"), task("Docker is there"), task("Docker is there", "changed"))
    assert shown == "configure\n  i-1: Docker is there (changed)\n"


def test_plain_lines_leave_out_what_was_fine_already() -> None:
    assert show(Event(stage="configure"), task("Docker is there"), task("Docker is there", "ok")) == "configure\n"


def test_a_stage_is_named_once() -> None:
    assert show(Event(stage="configure"), Event(stage="configure"), task("x")) == "configure\n"


def test_a_slow_task_is_named_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstk_runner.progress_lines._SLOW", 0.1)
    shown = show(Event(stage="configure"), task("The image is pulled"), pause=0.8)
    assert "  i-1: The image is pulled ...\n" in shown


def test_a_failure_is_shown_where_it_happens() -> None:
    assert "i-1: Docker is there (failed)" in show(task("Docker is there"), task("Docker is there", "failed"))


def test_a_note_is_a_line() -> None:
    note = Event(stage="sandbox", status="note", message="Building the image of the hosts")
    assert show(note) == "sandbox\n  Building the image of the hosts\n"


def test_what_ansible_does_for_itself_is_hidden() -> None:
    name = "Validating arguments against arg spec 'main'"
    assert show(Event(stage="plan"), task(name, "changed", stage="plan")) == "plan\n"


def test_a_terminal_ends_with_one_line_a_stage() -> None:
    shown = show(Event(stage="provision"), task("x", stage="provision"), Event(stage="configure"), terminal=True)
    last = shown[shown.rindex("✓ provision") :]
    assert "✓ configure" in last


def test_a_terminal_shows_the_task_of_each_host() -> None:
    events = [task("The image is pulled", host=host) for host in ("i-1", "i-2")]
    shown = show(*events, terminal=True, pause=0.3)
    assert "i-1  configure  The image is pulled" in shown
    assert "i-2  configure  The image is pulled" in shown


def class_of(size: int, status: Status = "started") -> list[Event]:
    task = "The image is pulled"
    return [
        Event(stage="configure", host=f"i-{n}", task=task, status=status, students=(f"student{n:03d}",))
        for n in range(size)
    ]


def test_plain_lines_group_the_hosts_of_a_class() -> None:
    shown = show(*class_of(30), *class_of(5, "changed"), *class_of(30, "ok")[5:])
    assert shown == "configure\n  The image is pulled (changed on 5 of 30 hosts)\n"


def test_a_failed_host_has_a_plain_line_with_its_students() -> None:
    shown = show(*class_of(30), *class_of(1, "failed"))
    assert "  i-0 (student000): The image is pulled (failed)\n" in shown


def test_a_task_that_takes_long_on_many_hosts_has_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstk_runner.progress_lines._SLOW", 0.1)
    events = [*class_of(30), *class_of(7, "ok")]
    shown = show(*events, Event(stage="configure"), pause=0.03)
    assert shown.count("The image is pulled ... (") == 1


def test_a_class_of_300_does_not_scroll() -> None:
    shown = show(*class_of(300), terminal=True, students=300, pause=0.004)
    assert re.search(r"300 students, [23]\d\d at work", shown)
    assert re.search(r"and [12]\d\d more", shown)
    assert "student299" not in shown


def test_the_failed_come_first_in_the_table() -> None:
    shown = show(*class_of(300), *class_of(300, "failed")[299:], terminal=True, students=300, pause=0.002)
    assert "student299  configure  The image is pulled" in shown
    assert "1 failed" in shown


def test_the_last_picture_holds_only_the_failed() -> None:
    shown = show(*class_of(3), *class_of(1, "failed"), *class_of(3, "ok")[1:], terminal=True, students=3)
    last = shown[shown.rindex("configure   ") :]
    assert "student000" in last
    assert "student001" not in last


def test_the_estimate_takes_the_last_run_as_its_measure() -> None:
    took = {"check": 2.0, "provision": 20.0}
    assert estimate_rest({"check": 3, "provision": 60, "configure": 240}, took, now="provision") == 280


def test_a_stage_that_outlasts_its_time_is_not_about_to_end() -> None:
    assert estimate_rest({"configure": 60}, {"configure": 100}, now="configure") == 10


def test_a_stage_that_was_left_out_does_not_come_any_more() -> None:
    assert estimate_rest({"sandbox": 200, "check": 3, "ask": 5}, {"check": 1}, now="check") == 7


def test_the_pace_of_a_run_is_kept(home: Path) -> None:
    config = load_config()
    ensure_folder(config)
    keep_pace(config, "up", {"check": 1.5})
    assert read_pace(config, "up") == {"check": 1.5}


def test_a_spoilt_pace_is_none(home: Path) -> None:
    config = load_config()
    (ensure_folder(config) / "pace.json").write_text("{")
    assert read_pace(config, "up")["configure"] > 0


def test_an_interruption_gives_the_cursor_back() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=25, color_system=None)
    with suppress(KeyboardInterrupt), Progress(console) as progress:
        progress(Event(stage="configure"))
        raise KeyboardInterrupt
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().rstrip().endswith("\x1b[?25h")
