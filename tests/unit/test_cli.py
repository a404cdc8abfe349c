from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import cli
from dstk_runner.errors import Interrupted, RunError
from dstk_runner.results import Check, Deployment, Failure, Notebook, Plan, Receipt, Resource

NOTEBOOK = Notebook(
    student="ada",
    url="https://203.0.113.7/ada/lab",
    password="open sesame",  # noqa: S106 - a test's own
    instance_id="i-1",
    address="203.0.113.7",
    state="ready",
    container="dstk-ada",
)
DEPLOYMENT = Deployment(deployment="dstk-ada", region="us-west-2", notebooks=(NOTEBOOK,))
VOLUME = Resource(kind="volume", id="vol-1", billed=True)

pytestmark = pytest.mark.usefixtures("home")


def answer(monkeypatch: pytest.MonkeyPatch, name: str, result: Any) -> list[Any]:
    """Let a function of the library answer this, or raise it; hand back the configurations it is given."""
    given: list[Any] = []

    def function(config: Any, **_: Any) -> Any:
        given.append(config)
        if isinstance(result, BaseException):
            raise result
        return result

    monkeypatch.setattr(f"dstk_runner.api.{name}", function)
    return given


def test_help_comes_within_half_a_second() -> None:
    began = time.monotonic()
    script = (
        "import sys; from dstk_runner.cli import run; run(['--help']); print([m for m in HEAVY if m in sys.modules])"
    )
    heavy = "HEAVY = ['boto3', 'moto', 'ansible_runner', 'pydantic', 'docker']; "
    done = subprocess.run([sys.executable, "-c", heavy + script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert time.monotonic() - began < 5, "what is slow here is slow at every command"


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("dstk 0.")


def test_init_writes_a_file_that_changes_nothing(home: Path) -> None:
    from dstk_runner.config import load_config

    before = load_config()
    assert cli.run(["init"]) == 0
    assert load_config() == load_config("dstk.yml")
    assert load_config().deployment == before.deployment


def test_init_names_every_key(home: Path) -> None:
    from dstk_runner.schema import KEYS

    cli.run(["init"])
    written = (home / "dstk.yml").read_text()
    assert all(f"# {key}: " in written for key in KEYS)


def test_each_key_of_the_written_file_can_be_commented_in(home: Path) -> None:
    from dstk_runner.config import load_config
    from dstk_runner.schema import KEYS

    cli.run(["init"])
    lines = (home / "dstk.yml").read_text().splitlines()
    chosen = [line.removeprefix("# ") for line in lines if line.startswith("# ") and ": " in line.split()[1] + " "]
    (home / "dstk.yml").write_text("\n".join(chosen))
    assert load_config().chosen == set(KEYS)


def test_init_does_not_write_over_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "dstk.yml").write_text("region: eu-west-1\n")
    assert cli.run(["init"]) == 2
    assert (home / "dstk.yml").read_text() == "region: eu-west-1\n"
    assert "--force" in capsys.readouterr().err


def test_up_prints_the_document_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "deploy", DEPLOYMENT)
    assert cli.run(["up", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == DEPLOYMENT.to_json()


def test_up_shows_link_and_password_in_one_piece(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "deploy", DEPLOYMENT)
    cli.run(["up", "--yes"])
    shown = capsys.readouterr().out
    assert NOTEBOOK.url in shown
    assert NOTEBOOK.password in shown


def test_flags_reach_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    given = answer(monkeypatch, "deploy", DEPLOYMENT)
    flags = ["--region", "eu-west-1", "--volume-size", "40", "--allowed-cidr", "10.0.0.0/16", "--allowed-cidr", "auto"]
    cli.run(["up", "--sandbox", *flags, "--swap-size", "0"])
    config = given[0]
    assert (config.region, config.volume_size, config.swap_size, config.target) == ("eu-west-1", 40, 0, "sandbox")
    assert config.allowed_cidrs == ("10.0.0.0/16", "auto")


def test_a_failure_is_told_with_its_remedy_and_exits_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Failure(stage="configure", host="i-1", task="The image is pulled", message="no such image", fix="mend it")
    answer(monkeypatch, "deploy", Deployment(deployment="d", region="r", failures=(failure,)))
    assert cli.run(["up", "--yes"]) == 1
    told = capsys.readouterr().err
    assert "configure: i-1: The image is pulled: no such image" in told
    assert "Fix: mend it" in told


def test_a_wrong_file_exits_2_and_is_a_document_too(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "dstk.yml").write_text("regoin: x\n")
    assert cli.run(["up", "--yes", "--json"]) == 2
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert (document["ok"], document["failures"][0]["message"]) == (False, "dstk.yml:1: there is no such key")
    assert "did you mean region?" in shown.err


def test_a_wrong_flag_exits_2_and_is_a_document_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["up", "--regoin", "x", "--json"]) == 2
    assert "--regoin" in json.loads(capsys.readouterr().out)["failures"][0]["message"]


def test_a_value_of_a_flag_is_named_by_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["up", "--yes", "--volume-size", "3"]) == 2
    assert "--volume-size: " in capsys.readouterr().err


def test_an_error_is_two_lines_without_a_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "deploy", RunError("AWS is not there", "wait"))
    assert cli.run(["up", "--yes"]) == 1
    assert capsys.readouterr().err == "AWS is not there\nFix: wait\n"


def test_a_bug_of_dstk_leaves_its_trace_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    answer(monkeypatch, "deploy", ZeroDivisionError("oops"))
    assert cli.run(["up", "--yes"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert "ZeroDivisionError: oops" in (home / ".local/share/dstk/crash.log").read_text()


@pytest.mark.parametrize("end", [Interrupted("interrupted"), KeyboardInterrupt()])
def test_an_interruption_exits_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: BaseException
) -> None:
    answer(monkeypatch, "deploy", end)
    assert cli.run(["up", "--yes", "--region", "eu-west-1"]) == 130
    assert "`dstk up --yes --region eu-west-1`" in capsys.readouterr().err


def test_a_polite_end_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstk_runner.api.deploy", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.run(["up", "--yes"]) == 130


@pytest.mark.parametrize("command", [["up"], ["destroy"]])
def test_what_costs_or_deletes_asks_where_somebody_can_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    answer(monkeypatch, "find_deployed", (VOLUME,))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.run(command) == 2
    assert "--yes" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("\n", 1), ("n\n", 1)])
def test_destroy_shows_what_it_would_delete_and_waits_for_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, code: int
) -> None:
    answer(monkeypatch, "find_deployed", (VOLUME,))
    answer(monkeypatch, "destroy", Receipt(deployment="d", region="r", gone=(VOLUME,)))
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert cli.run(["destroy"]) == code
    assert "vol-1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "usd", "words"),
    [
        ("volume", 0.8, "volume i-1: the homes of ada, 10 GB, 0.80 USD a month"),
        ("snapshot", 0.5, "snapshot i-1: the homes of ada, 10 GB, at most 0.50 USD a month"),
        ("volume", None, "volume i-1: the homes of ada, 10 GB, at a price that is not known here"),
    ],
)
def test_a_receipt_names_what_is_kept_how_large_it_is_and_what_it_costs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, usd: float | None, words: str
) -> None:
    homes = Resource(kind=kind, id="i-1", billed=True, homes="ada", gigabytes=10, usd_month=usd)
    answer(monkeypatch, "destroy", Receipt(deployment="d", region="r", kept=(homes,)))
    assert cli.run(["destroy", "--yes"]) == 0
    assert words in capsys.readouterr().out


def test_what_destroy_keeps_is_not_among_what_it_asks_about(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    homes = Resource(kind="volume", id="vol-2", billed=True, homes="ada", gigabytes=10)
    answer(monkeypatch, "find_deployed", (VOLUME, homes))
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert cli.run(["destroy"]) == 1
    shown = capsys.readouterr().err
    assert "Delete these 1, and keep the volumes with the homes?" in shown
    assert "vol-2" not in shown


def test_destroy_does_without_the_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "destroy", Receipt(deployment="d", region="r", gone=(VOLUME,)))
    assert cli.run(["destroy", "--yes", "--roster", "lost.csv"]) == 0


def test_the_sandbox_costs_nothing_so_up_does_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "deploy", DEPLOYMENT)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.run(["up", "--sandbox"]) == 0


def test_a_receipt_names_each_resource_and_its_fate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt = Receipt(
        deployment="d", region="r", gone=(VOLUME,), left=(Resource(kind="instance", id="i-1", billed=True),)
    )
    answer(monkeypatch, "destroy", receipt)
    assert cli.run(["destroy", "--yes"]) == 1
    shown = capsys.readouterr().out
    assert [line.split()[-1] for line in shown.splitlines() if "vol-1" in line] == ["gone"]
    assert "still there, costs money" in shown


def test_a_plan_shows_warnings_with_their_remedies(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = Check(name="memory", status="warn", message="1 GiB is little", fix="instance_type: t3.medium")
    answer(monkeypatch, "plan", Plan(deployment="d", region="r", checks=(check,)))
    assert cli.run(["plan"]) == 0
    shown = capsys.readouterr().out
    assert "1 GiB is little" in shown
    assert "Fix: instance_type: t3.medium" in shown


def test_a_plan_of_a_class_says_which_hosts_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check = Check(name="class", status="ok", message="6 students, 0 have a seat, 2 hosts will be made")
    hosts = {name: {"type": "m7i.large", "zone": "z", "state": "pending"} for name in ("planned-01", "planned-02")}
    answer(monkeypatch, "plan", Plan(deployment="d", region="r", checks=(check,), hosts=hosts))
    assert cli.run(["plan"]) == 0
    assert check.message in capsys.readouterr().out


def test_a_plan_of_one_names_the_instance(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    hosts = {"planned-01": {"type": "t3.medium", "zone": "us-west-2a", "state": "pending"}}
    answer(monkeypatch, "plan", Plan(deployment="d", region="r", hosts=hosts))
    assert cli.run(["plan"]) == 0
    assert "a new t3.medium in us-west-2a" in capsys.readouterr().out


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("skipped", 0), ("fail", 1)])
def test_the_doctor_fails_where_a_check_does(monkeypatch: pytest.MonkeyPatch, status: Any, code: int) -> None:
    answer(monkeypatch, "doctor", (Check(name="key", status=status, message="m"),))
    assert cli.run(["doctor"]) == code


def test_open_fails_where_nothing_is_ready(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answer(monkeypatch, "status", Deployment(deployment="d", region="r"))
    assert cli.run(["open"]) == 1
    assert "Fix: dstk up" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = "from dstk_runner.cli import main; main()"
    command = f"{sys.executable} -c '{script}' up --help | head -c 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_a_limit_is_a_list_with_commas_or_several_flags(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "dstk.yml").write_text("students: [ada, bob, eve]\n")
    given = answer(monkeypatch, "deploy", DEPLOYMENT)
    assert cli.run(["up", "--yes", "--limit", "ada,bob", "--limit", "eve"]) == 0
    assert given[0].limit == ("ada", "bob", "eve")


def test_a_limit_that_nobody_is_called_exits_2(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "dstk.yml").write_text("students: [ada, bob]\n")
    assert cli.run(["status", "--limit", "adda"]) == 2
    assert "ada" in capsys.readouterr().err


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 1)])
def test_pruning_says_whom_it_removes_and_waits_for_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, code: int
) -> None:
    answer(monkeypatch, "find_gone", {"eve": "i-1"})
    answer(monkeypatch, "deploy", DEPLOYMENT)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    assert cli.run(["up", "--sandbox", "--prune"]) == code
    assert "eve on i-1" in capsys.readouterr().err


def test_pruning_nobody_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, "find_gone", {})
    answer(monkeypatch, "deploy", DEPLOYMENT)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.run(["up", "--sandbox", "--prune"]) == 0


def test_the_gone_are_shown_below_the_notebooks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "status", replace(DEPLOYMENT, gone={"eve": "i-1"}))
    assert cli.run(["status"]) == 0
    assert "eve on i-1" in capsys.readouterr().out


def test_what_befell_many_alike_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failures = tuple(Failure(stage="provision", student=f"s{n}", message="no room", fix="wait") for n in range(9))
    answer(monkeypatch, "deploy", Deployment(deployment="d", region="r", failures=failures))
    assert cli.run(["up", "--yes"]) == 1
    told = capsys.readouterr().err
    assert "provision: s0, s1, s2, s3, s4, s5 and 3 more: no room\n  Fix: wait" in told
