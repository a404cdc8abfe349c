from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import cli
from dstk_runner.errors import DstkError
from dstk_runner.results import Deployment, Failure
from support.classes import notebook, seen

ROSTER = "name,email,group\nAda Lovelace,ada@example.org,A\nGrace Hopper,grace@example.org,B\n"
CLASS = seen(notebook("ada"), notebook("grace"))


@pytest.fixture(autouse=True)
def folder(home: Path) -> Path:
    """A folder with the roster of two."""
    (home / "roster.csv").write_text(ROSTER)
    (home / "dstk.yml").write_text("deployment: csx450\nroster: roster.csv\n")
    return home


def answer(monkeypatch: pytest.MonkeyPatch, *answers: Deployment | Exception) -> None:
    """Let `status` answer these, one after the other, and the last one ever after."""
    script = list(answers)

    def status(_config: Any, **_: Any) -> Deployment:
        item = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(item, Exception):
            raise item
        return item

    monkeypatch.setattr("dstk_runner.api.status", status)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, nap: int) -> list[float]:
    """Press Ctrl-C during this pause between two looks; hand back the pauses."""
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == nap:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    return naps


def test_handouts_prints_the_document_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, CLASS)
    assert cli.run(["handouts", "--into", "out", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["deployment"], document["ok"], len(document["files"])) == ("csx450", True, 5)


def test_handouts_tells_people_where_the_files_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, CLASS)
    cli.run(["handouts"])
    assert capsys.readouterr().out.splitlines() == [
        "handouts/students/: 2, one a student, each with its password",
        "handouts/print-all-with-passwords.html",
        "handouts/mail-merge-with-passwords.csv",
        "handouts/class.html",
    ]


def test_handouts_prints_no_password(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer(monkeypatch, CLASS)
    cli.run(["handouts"])
    assert "secret" not in "".join(capsys.readouterr())


def test_handouts_take_names_from_the_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, CLASS)
    cli.run(["handouts"])
    assert "Grace Hopper" in Path("handouts/students/grace.html").read_text()


def test_handouts_exits_1_where_somebody_has_no_link(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, seen(notebook("ada")))
    assert cli.run(["handouts"]) == 1
    assert "dstk up" in capsys.readouterr().err


def test_status_writes_the_overview_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, CLASS)
    assert cli.run(["status", "--html", "class.html"]) == 0
    assert "Ada Lovelace" in Path("class.html").read_text()


def test_watch_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, CLASS)
    interrupt_at(monkeypatch, 2)
    assert cli.run(["status", "--watch"]) == 130


@pytest.mark.parametrize(("arguments", "pause"), [([], 30), (["7"], 7)])
def test_watch_takes_its_pause_from_the_command(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], pause: float
) -> None:
    answer(monkeypatch, CLASS)
    naps = interrupt_at(monkeypatch, 1)
    cli.run(["status", "--watch", *arguments])
    assert pause - 5 < naps[0] <= pause


def test_watch_shows_the_class_without_passwords(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, CLASS)
    interrupt_at(monkeypatch, 1)
    cli.run(["status", "--watch"])
    shown = capsys.readouterr().out
    assert "✓ 2 ready" in shown
    assert notebook("ada").url in shown
    assert "secret" not in shown


def test_watch_tells_a_failure_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Failure(stage="status", student="ada", message="it does not work", fix="mend it")
    answer(monkeypatch, seen(notebook("ada", state="failed"), failures=(failure,)))
    interrupt_at(monkeypatch, 1)
    cli.run(["status", "--watch"])
    shown = capsys.readouterr().out
    assert "it does not work" in shown
    assert "Fix: mend it" in shown


def test_watch_goes_on_after_a_look_that_failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, DstkError("no network", "mend it"), CLASS)
    interrupt_at(monkeypatch, 2)
    cli.run(["status", "--watch"])
    shown = capsys.readouterr().out
    assert shown.index("no network") < shown.index("✓ 2 ready")


@pytest.mark.parametrize("arguments", [["--watch", "--json"], ["7"], ["--watch", "0"]])
def test_what_does_not_go_together_is_a_wrong_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    answer(monkeypatch, CLASS)
    interrupt_at(monkeypatch, 1)
    assert cli.run(["status", *arguments]) == 2
