from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from dstk_runner.events import Event
from dstk_runner.progress import Progress


def show(*events: Event, terminal: bool = False, pause: float = 0.0) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)
    with Progress(console) as progress:
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
    monkeypatch.setattr("dstk_runner.progress._SLOW", 0.1)
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
    assert "i-1  The image is pulled" in shown
    assert "i-2  The image is pulled" in shown
