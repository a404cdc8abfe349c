"""Files into and out of homes, by the modules of the host; the containers are folders here."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from support.notebooks import Notebooks, make_notebooks
from support.plugins import Load

STRANGE = "zwei\nZeilen ü 雪 'x' \"y\" $(z).txt"


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebooks:
    folder = tmp_path / "host"
    folder.mkdir()
    return make_notebooks(folder, monkeypatch)


class Stop(Exception):  # noqa: N818 - it ends a module and is no error
    def __init__(self, result: dict[str, Any]) -> None:
        self.result = result


class Runner:
    """Runs a module of the host with parameters, and answers its result."""

    def __init__(self, load: Load, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.load, self.monkeypatch, self.folder = load, monkeypatch, str(folder)

    def __call__(self, name: str, **params: Any) -> dict[str, Any]:
        module = self.load(f"modules/dstk_notebook_files_{name}")

        class Module:
            def __init__(self, *, argument_spec: dict[str, Any]) -> None:
                self.params = {key: option.get("default") for key, option in argument_spec.items()} | params

            def exit_json(self, **result: Any) -> None:
                raise Stop(result)

            def fail_json(self, **result: Any) -> None:
                raise Stop({"failed": True, **result})

        self.monkeypatch.setattr(module, "AnsibleModule", Module)
        if name == "gather":
            self.monkeypatch.setattr(module, "PLACE", self.folder)
        with pytest.raises(Stop) as stopped:
            module.main()
        return stopped.value.result


@pytest.fixture
def run(load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    return Runner(load, monkeypatch, tmp_path)


@pytest.fixture
def week(tmp_path: Path) -> Path:
    folder = tmp_path / "week1"
    (folder / "data").mkdir(parents=True)
    (folder / "task.py").write_text("old\n")
    (folder / "data" / STRANGE).write_text("1\n")
    return folder


def send(run: Runner, notebooks: list[dict[str, str]], *paths: Path, **params: Any) -> dict[str, Any]:
    bundle = run("pack", paths=[str(path) for path in paths])["bundle"]
    try:
        return run("send", notebooks=notebooks, bundle=bundle, **params)
    finally:
        Path(bundle).unlink()


def unpack(result: dict[str, Any], student: str) -> dict[str, tarfile.TarInfo]:
    """The entries of one student's archive in what was gathered."""
    with (
        tarfile.open(result["bundle"]) as bundle,
        tarfile.open(fileobj=bundle.extractfile(f"{student}.tar.gz"), mode="r:gz") as tar,
    ):
        return {member.name: member for member in tar}


def test_every_home_gets_the_files_under_their_own_names(run: Runner, notebooks: Notebooks, week: Path) -> None:
    result = send(run, notebooks.add("ada", "ben"), week, folder="course")
    assert {answer["counts"]["sent"] for answer in result["answers"].values()} == {2}
    for student in ("ada", "ben"):
        assert (notebooks.home(student) / "course/week1/data" / STRANGE).read_text() == "1\n"


def test_what_is_the_same_is_not_sent_again(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    send(run, books, week)
    again = send(run, books, week)
    assert (again["changed"], again["answers"]["ada"]["counts"]) == (False, {"sent": 0, "kept": 0, "unchanged": 2})


def test_an_edit_is_kept_and_told(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    send(run, books, week)
    edited = notebooks.home("ada") / "week1/task.py"
    edited.write_text("mine\n")
    (week / "task.py").write_text("new\n")
    result = send(run, books, week)
    assert (result["answers"]["ada"]["kept"], edited.read_text()) == (["week1/task.py"], "mine\n")


def test_a_file_that_nobody_edited_becomes_its_newer_version(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    send(run, books, week)
    (week / "task.py").write_text("new\n")
    send(run, books, week)
    assert (notebooks.home("ada") / "week1/task.py").read_text() == "new\n"


def test_a_file_of_the_students_own_is_never_written_over(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    own = notebooks.home("ada") / "week1/task.py"
    own.parent.mkdir()
    own.write_text("mine\n")
    send(run, books, week)
    assert own.read_text() == "mine\n"


def test_an_edit_is_written_over_where_that_is_asked_for(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    own = notebooks.home("ada") / "week1/task.py"
    own.parent.mkdir()
    own.write_text("mine\n")
    send(run, books, week, overwrite=True)
    assert own.read_text() == "old\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_a_student_has_in_the_place_of_a_file_is_kept(
    make: Any, run: Runner, notebooks: Notebooks, week: Path
) -> None:
    books = notebooks.add("ada")
    place = notebooks.home("ada") / "week1/task.py"
    place.parent.mkdir()
    make(place)
    assert send(run, books, week)["answers"]["ada"]["kept"] == ["week1/task.py"]


def test_a_file_in_the_place_of_a_folder_is_kept(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    (notebooks.home("ada") / "week1").write_text("mine\n")
    answer = send(run, books, week)["answers"]["ada"]
    assert (answer["counts"]["sent"], (notebooks.home("ada") / "week1").read_text()) == (0, "mine\n")


def test_a_spoilt_record_of_what_was_sent_counts_as_none(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada")
    record = notebooks.home("ada") / ".local/share/dstk/sent.json"
    record.parent.mkdir(parents=True)
    record.write_text("[" * 100_000)
    assert send(run, books, week)["answers"]["ada"]["counts"]["sent"] == 2


def test_a_history_stays_where_the_solutions_are(run: Runner, notebooks: Notebooks, week: Path) -> None:
    (week / ".git").mkdir()
    (week / ".git" / "solution").write_text("42")
    send(run, notebooks.add("ada"), week)
    assert not (notebooks.home("ada") / "week1/.git").exists()


def test_two_things_of_one_name_are_refused(run: Runner, tmp_path: Path) -> None:
    for parent in ("one", "two"):
        (tmp_path / parent / "week").mkdir(parents=True)
    result = run("pack", paths=[str(tmp_path / "one/week"), str(tmp_path / "two/week"), "nowhere"])
    assert "nowhere does not exist; two of them are called week" in result["msg"]


def test_one_students_failure_leaves_the_others(run: Runner, notebooks: Notebooks, week: Path) -> None:
    books = notebooks.add("ada", "ben")
    notebooks.stop("ada")
    result = send(run, [*books, {"student": "cy", "container": "dstk-cy"}], week)
    assert (set(result["answers"]), set(result["failures"])) == ({"ben"}, {"ada", "cy"})
    assert "exited" in result["failures"]["ada"]["message"]
    assert "dstk up" in result["failures"]["cy"]["fix"]


@pytest.mark.parametrize(
    "python",
    ["echo '[1, 2]'", "yes | tr -d '\\n' | head -c 9000000", "exit 7", 'echo \'{"counts": 3, "sent": 4}\''],
)
def test_a_notebook_that_answers_nonsense_harms_nobody(
    python: str, run: Runner, notebooks: Notebooks, week: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = notebooks.add("ada")
    bundle = run("pack", paths=[str(week)])["bundle"]
    liar = tmp_path / "liar"
    liar.mkdir()
    (liar / "python3").write_text(f"#!/bin/sh\n{python}\n")
    (liar / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{liar}:{os.environ['PATH']}")
    result = run("send", notebooks=books, bundle=bundle)
    Path(bundle).unlink()
    assert result["failures"] or result["answers"]["ada"]["counts"] == {"sent": 0, "kept": 0, "unchanged": 0}


def test_files_of_any_name_are_gathered(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    place = notebooks.home("ada") / "hw"
    place.mkdir()
    (place / STRANGE).write_text("1\n")
    result = run("gather", notebooks=books, path="hw", known={})
    assert (result["answers"]["ada"], f"hw/{STRANGE}" in unpack(result, "ada")) == ({"state": "fetched"}, True)


def test_nothing_is_followed_out_of_a_home(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    place = notebooks.home("ada") / "hw"
    place.mkdir()
    (place / "shadow").symlink_to("/etc/shadow")
    (place / "etc").symlink_to("/etc")
    os.mkfifo(place / "pipe")
    entries = unpack(run("gather", notebooks=books, path="hw", known={}), "ada")
    assert {name for name, entry in entries.items() if entry.isreg()} == set()


def test_a_link_in_the_place_of_the_path_is_nothing(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    (notebooks.home("ada") / "hw").symlink_to("/etc")
    assert run("gather", notebooks=books, path="hw", known={})["answers"]["ada"] == {"state": "missing"}


def test_what_the_controller_has_is_not_gathered(run: Runner, load: Load, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    (notebooks.home("ada") / "hw").write_text("1\n")
    known = load("module_utils/dstk_notebook_inside").find_digest(notebooks.home("ada") / "hw")
    result = run("gather", notebooks=books, path="hw", known={"ada": known})
    assert (result["answers"]["ada"]["state"], result["bundle"]) == ("unchanged", "")


def test_a_home_without_end_is_refused_before_it_is_read(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    with (notebooks.home("ada") / "huge").open("wb") as file:
        file.truncate(10**12)
    result = run("gather", notebooks=books, path=".", known={})
    assert "more than may be fetched" in result["failures"]["ada"]["message"]


def test_a_stream_without_end_is_cut(
    run: Runner, load: Load, notebooks: Notebooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = notebooks.add("ada")
    (tmp_path / "python3").write_text('#!/bin/sh\necho \'{"state": "fetched"}\'\nexec cat /dev/zero\n')
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    result = run("gather", notebooks=books, path="hw", known={}, limit=10**6 - 256 * 1024**2)
    assert "more than may be fetched" in result["failures"]["ada"]["message"]


def test_a_whole_home_is_gathered_without_its_caches(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    for name in (".cache", "code/__pycache__", "code/src"):
        (notebooks.home("ada") / name).mkdir(parents=True)
        (notebooks.home("ada") / name / "file").write_text("1\n")
    result = run("gather", notebooks=books, path=".", known={}, excluded=[".cache", "__pycache__"])
    files = {name for name, entry in unpack(result, "ada").items() if entry.isreg()}
    assert files == {"ada/code/src/file"}


def test_only_the_login_user_reads_what_was_gathered(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    (notebooks.home("ada") / "hw").write_text("1\n")
    bundle = Path(run("gather", notebooks=books, path="hw", known={})["bundle"])
    assert (stat.S_IMODE(bundle.stat().st_mode), stat.S_IMODE(bundle.parent.stat().st_mode)) == (0o600, 0o700)


def test_what_a_killed_run_left_on_the_host_goes_after_a_day(run: Runner, notebooks: Notebooks, tmp_path: Path) -> None:
    old, new = tmp_path / "dstk-gather-old", tmp_path / "dstk-gather-new"
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    run("gather", notebooks=notebooks.add("ada"), path="hw", known={})
    assert (old.exists(), new.exists()) == (False, True)


def test_the_same_files_make_the_same_archive(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    (notebooks.home("ada") / "hw").write_text("1\n")
    sums = [run("gather", notebooks=books, path=".", known={})["sums"]["ada"] for _ in range(2)]
    assert sums[0] == sums[1]


def test_a_command_says_how_it_ended_for_each(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada", "ben")
    (notebooks.home("ben") / "there").touch()
    result = run("run", notebooks=books, command=["ls there; echo oh >&2"], timeout=20)
    assert [result["answers"]["ben"][key] for key in ("rc", "stdout", "stderr")] == [0, "there\n", "oh\n"]
    result = run("run", notebooks=books, command=["ls", "there"], timeout=20)
    assert (set(result["failures"]), result["answers"]["ada"]["rc"]) == ({"ada"}, 2)


def test_several_words_are_no_line_for_the_shell(run: Runner, notebooks: Notebooks) -> None:
    answer = run("run", notebooks=notebooks.add("ada"), command=["echo", "a  b; $HOME"], timeout=20)["answers"]["ada"]
    assert answer["stdout"] == "a  b; $HOME\n"


def test_of_much_output_the_end_is_kept(run: Runner, notebooks: Notebooks) -> None:
    command = ["head -c 5000000 /dev/zero | tr '\\0' x; echo end"]
    answer = run("run", notebooks=notebooks.add("ada"), command=command, timeout=20, output_limit=100)["answers"]["ada"]
    assert (len(answer["stdout"]), answer["stdout"][-4:], answer["stdout_cut"]) == (100, "end\n", 4_999_904)


def test_a_command_without_end_is_ended(run: Runner, notebooks: Notebooks) -> None:
    result = run("run", notebooks=notebooks.add("ada"), command=["echo begun; sleep 60"], timeout=0.5)
    assert "did not end" in result["failures"]["ada"]["message"]
    assert result["answers"]["ada"]["stdout"] == "begun\n"


def test_an_answer_can_be_written_as_json(run: Runner, notebooks: Notebooks) -> None:
    books = notebooks.add("ada")
    (notebooks.home("ada") / os.fsdecode(b"hw\xff")).write_text("1\n")
    result = run("run", notebooks=books, command=["ls"], timeout=20)
    assert "hw" in json.loads(json.dumps(result))["answers"]["ada"]["stdout"]
