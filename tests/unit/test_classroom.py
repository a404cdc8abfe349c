"""The instructor's tools as a library: what Ansible is asked, and what its answers are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import dstk_runner
from dstk_runner.cli_classroom import render_output, render_sent
from dstk_runner.console import open_errors
from dstk_runner.errors import ConfigError
from dstk_runner.playbooks import PlaybookResult
from dstk_runner.results import Failure
from dstk_runner.roll import Roll

CLASS = {"deployment": "csx450", "students": ["ada", "ben", "cy"]}
ROLL = Roll(students=("ada", "ben", "cy"), hosts={"i-1": ("ada", "ben"), "i-2": ("cy",)})
OUTPUT = {"rc": 0, "stdout": "hello\n", "stderr": "", "stdout_cut": 0, "stderr_cut": 0}


class World:
    """What AWS and Ansible would answer; `ran` is what Ansible was asked."""

    def __init__(self) -> None:
        self.roll = ROLL
        self.result = PlaybookResult(rc=0, hosts=frozenset({"i-1", "i-2"}))
        self.ran: list[tuple[str, dict[str, Any]]] = []

    def run_playbook(self, name: str, **options: Any) -> PlaybookResult:
        self.ran.append((name, options["extra_vars"]))
        return self.result

    def answer(self, answers: dict[str, Any], failures: dict[str, Any] | None = None) -> None:
        stats = {"dstk_answers": answers, "dstk_failures": failures or {}}
        # the task that a role ends with where single students failed
        summary = Failure(host="i-1", task="notebook_files : Every notebook is well", message="see each")
        self.result = PlaybookResult(
            rc=2 if failures else 0, stats=stats, failures=(summary,) if failures else (), hosts=frozenset({"i-1"})
        )


@pytest.fixture
def world(home: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr("dstk_runner.roll.call_roll", lambda _config: world.roll)
    monkeypatch.setattr("dstk_runner.playbooks.run_playbook", world.run_playbook)
    return world


def show(renderable: Any) -> str:
    console = open_errors()
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_answers_are_found_by_student_and_in_the_order_of_the_roster(world: World) -> None:
    world.answer(dict.fromkeys(("cy", "ada", "ben"), OUTPUT))
    work = dstk_runner.run("echo hello", CLASS)
    assert ([answer.student for answer in work], work["ben"].stdout, work.ok) == (["ada", "ben", "cy"], "hello\n", True)


def test_one_students_failure_is_one_failure(world: World) -> None:
    failed = {"host": "i-1", "student": "ben", "stage": "run", "task": "run", "message": "code 3", "fix": "read"}
    world.answer({"ada": OUTPUT, "ben": {**OUTPUT, "rc": 3}, "cy": OUTPUT}, {"ben": failed})
    work = dstk_runner.run("false", CLASS)
    assert [(failure.student, failure.message) for failure in work.failures] == [("ben", "code 3")]


def test_a_host_that_cannot_be_reached_is_a_failure_of_each_of_its_students(world: World) -> None:
    lost = Failure(host="i-1", stage="unreachable", message="no answer")
    world.result = PlaybookResult(rc=4, stats={"dstk_answers": {"cy": OUTPUT}}, failures=(lost,))
    work = dstk_runner.run("true", CLASS)
    assert ([failure.student for failure in work.failures], [answer.student for answer in work]) == (
        ["ada", "ben"],
        ["cy"],
    )


def test_a_student_of_whom_nothing_is_heard_is_a_failure(world: World) -> None:
    world.answer({"ada": OUTPUT, "ben": OUTPUT})
    assert [failure.student for failure in dstk_runner.run("true", CLASS).failures] == ["cy"]


def test_a_limit_reaches_ansible(world: World) -> None:
    world.answer({"ada": OUTPUT})
    work = dstk_runner.run("true", CLASS, limit=["ada"])
    assert (world.ran[0][1]["dstk_limit"], work.ok) == (["ada"], True)


def test_where_there_is_no_class_nothing_is_run(world: World) -> None:
    world.roll = Roll(students=ROLL.students)
    work = dstk_runner.takehome(CLASS)
    assert ([failure.fix for failure in work.failures], world.ran) == (["dstk up"], [])


def test_words_stay_words_and_a_line_stays_a_line(world: World) -> None:
    for command in (["echo", "a b"], "echo a | wc"):
        dstk_runner.run(command, CLASS)
    assert [ran["notebook_files_command"] for _, ran in world.ran] == [["echo", "a b"], ["echo a | wc"]]


def test_folders_of_here_count_from_here(world: World, home: Path) -> None:
    (home / "week1").mkdir()
    dstk_runner.send("week1", CLASS)
    dstk_runner.collect("week1", CLASS, into="there")
    assert world.ran[0][1]["notebook_files_paths"] == [str(home / "week1")]
    assert world.ran[1][1]["notebook_files_into"] == str(home / "there")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "~ben/x", ".", "./", ""])
def test_what_leads_out_of_a_home_is_not_collected(path: str, world: World) -> None:
    with pytest.raises(ConfigError):
        dstk_runner.collect(path, CLASS)
    assert world.ran == []


def test_every_mistake_is_named_before_anything_is_sent(world: World) -> None:
    with pytest.raises(ConfigError) as refused:
        dstk_runner.send(["nowhere", "neither"], CLASS, to="/etc")
    assert (len(refused.value.mistakes), world.ran) == (3, [])


@pytest.mark.parametrize(
    "call",
    [
        lambda: dstk_runner.send([], CLASS),
        lambda: dstk_runner.run([], CLASS),
        lambda: dstk_runner.run("true", CLASS, timeout=0),
        lambda: dstk_runner.pull(CLASS),
    ],
)
def test_a_request_that_means_nothing_is_refused(call: Any, world: World) -> None:
    with pytest.raises(ConfigError):
        call()


def test_the_document_is_json_with_paths_as_text(world: World) -> None:
    row = {
        "state": "fetched",
        "path": "/c/ada/hw",
        "files": 2,
        "earlier": "",
        "left_out": ["hw/x"],
        "left_out_count": 1,
    }
    world.answer({"ada": row})
    document = json.loads(json.dumps(dstk_runner.collect("hw", CLASS).to_json()))
    assert list(document) == ["deployment", "region", "ok", "answers", "failures"]
    assert document["answers"][0] == {"student": "ada", **row}


def test_an_archive_is_told_with_its_sum(world: World) -> None:
    world.answer(
        {"ada": {"state": "fetched", "path": "/t/ada.tar.gz", "sha256": "ab", "size": 3, "files": 1, "earlier": ""}}
    )
    assert (dstk_runner.takehome(CLASS)["ada"].path, dstk_runner.takehome(CLASS)["ada"].sha256) == (
        Path("/t/ada.tar.gz"),
        "ab",
    )


def test_what_students_write_cannot_colour_the_screen(world: World) -> None:
    world.answer({"ada": {**OUTPUT, "stdout": "\x1b[31mred\x1b]0;title\x07\n[bold]plain[/bold]"}})
    text = show(render_output(dstk_runner.run("x", CLASS)))
    assert ("\x1b" in text, "[bold]plain[/bold]" in text) == (False, True)


def test_what_was_cut_is_said(world: World) -> None:
    world.answer({"ada": {**OUTPUT, "stdout_cut": 4711}})
    assert "first 4711 bytes" in show(render_output(dstk_runner.run("x", CLASS)))


def test_kept_files_are_named_and_many_are_counted(world: World, home: Path) -> None:
    kept = [f"file{number}" for number in range(100)]
    counts = {"sent": 0, "kept": 250, "unchanged": 0}
    world.answer({"ada": {"sent": [], "kept": kept, "unchanged": [], "counts": counts}})
    text = show(render_sent(dstk_runner.send(home, CLASS)))
    assert ("file9" in text, "file10" in text, "240 more" in text) == (True, False, True)


def test_an_export_goes_into_a_folder_of_here_or_a_bucket(world: World, home: Path) -> None:
    dstk_runner.export(CLASS, to="there")
    dstk_runner.export(CLASS, to="s3://homes/csx450")
    assert [ran["notebook_files_into"] for _, ran in world.ran] == [str(home / "there"), "s3://homes/csx450"]


def test_an_export_tells_the_place_of_each_archive(world: World) -> None:
    row = {"state": "fetched", "path": "s3://homes/ada.tar.zst", "sha256": "ab", "size": 3, "files": 1, "earlier": ""}
    world.answer({"ada": row})
    assert dstk_runner.export(CLASS, to="s3://homes")["ada"].place == "s3://homes/ada.tar.zst"


@pytest.mark.parametrize("place", ["s3:", "s3://", "s3://Homes", "s3:/homes"])
def test_what_names_no_bucket_is_refused(place: str, world: World) -> None:
    with pytest.raises(ConfigError):
        dstk_runner.export(CLASS, to=place)
    assert world.ran == []
