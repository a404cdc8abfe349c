"""What the idle stop does on a host, look by look, and what is told of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from support.idle_program import HOUR, NOW, ROLE, load_program
from support.plugins import load_file


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return load_program()


@pytest.fixture
def host(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a host that has run for a day, with ada's notebook, which has been idle for as long."""
    for name in ("SETTINGS", "RUN", "LOG", "PROCESSES"):
        monkeypatch.setattr(program, name, tmp_path / name)
    (tmp_path / "SETTINGS" / "ada" / "jupyter").mkdir(parents=True)
    (tmp_path / "PROCESSES").mkdir()
    (tmp_path / "PROCESSES" / "uptime").write_text(f"{24 * HOUR} 0")
    monkeypatch.setattr(program, "inspect_notebooks", lambda: [program.Notebook("ada", 1, 1, True)])
    monkeypatch.setattr(program, "look", lambda notebook, now: program.Seen(last=now - 24 * HOUR))
    monkeypatch.setattr(program, "run", lambda *command: (tmp_path / "ran").write_text(" ".join(command)))
    monkeypatch.setattr(program, "time", SimpleNamespace(strftime=time.strftime, gmtime=time.gmtime))
    return tmp_path


def look(program: Any, host: Path, hours: float, *, timeout: float = 2 * HOUR) -> tuple[str, dict[str, Any]]:
    """Look some hours later, and answer the state and the notice to ada."""
    (host / "PROCESSES" / "uptime").write_text(f"{(24 + hours) * HOUR} 0")
    program.time.time = lambda: NOW + hours * HOUR
    program.time.monotonic = lambda: hours * HOUR
    (host / "SETTINGS" / "idle.json").write_text(
        json.dumps({"timeout": timeout, "warning": 600, "connected": 8 * HOUR})
    )
    program.main()
    notice = host / "SETTINGS" / "ada" / "jupyter" / "idle.json"
    state = json.loads((host / "RUN" / "idle.json").read_text())["state"]
    return state, json.loads(notice.read_text()) if notice.is_file() else {}


def test_a_host_announces_its_end_and_shuts_down(program: ModuleType, host: Path) -> None:
    assert [look(program, host, hours)[0] for hours in (0, 1.8)] == ["idle", "idle"]
    # a minute late, and the notice stands for ten minutes all the same
    state, notice = look(program, host, 1.85)
    assert (state, notice) == ("ending", {"stops_at": pytest.approx(NOW + 1.85 * HOUR + 600), "cull": 7200})
    assert not (host / "ran").exists()
    assert look(program, host, 2.1) == ("ending", {})
    assert (host / "ran").read_text() == "systemctl poweroff"
    assert "stopping: nobody has worked here since" in (host / "LOG").read_text()


def test_a_disk_that_is_full_keeps_no_host_up(program: ModuleType, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LOG", Path("/dev/full"))  # "No space left on device", for whatever is written
    notice = host / "SETTINGS" / "ada" / "jupyter" / "idle.json"
    notice.with_suffix(".new").symlink_to("/dev/full")
    notice.mkdir()  # and what is there cannot be removed
    assert [look(program, host, hours)[0] for hours in (0, 1.85, 2.1)] == ["idle", "ending", "ending"]
    assert (host / "ran").read_text() == "systemctl poweroff"


@pytest.mark.parametrize("state", ["idle.json", "idle-memory.json"])
def test_a_state_that_cannot_be_written_ends_no_look(program: ModuleType, host: Path, state: str) -> None:
    assert look(program, host, 0)[0] == "idle"
    (host / "RUN" / state).with_suffix(".new").symlink_to("/dev/full")
    look(program, host, 1.85)
    assert json.loads((host / "SETTINGS" / "ada" / "jupyter" / "idle.json").read_text())["stops_at"] is not None


def test_kernels_in_which_something_computed_of_late_are_not_culled(
    program: ModuleType, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = {0.0: 0.0, 1.0: 1000.0, 2.0: 1001.0, 3.1: 1002.0}
    culls = []
    for hours, seconds in used.items():
        monkeypatch.setattr(program, "find_processor_seconds", lambda pid, seconds=seconds: seconds)
        culls.append(look(program, host, hours)[1]["cull"])
    assert culls == [7200, 0, 0, 7200]


def test_without_a_timeout_no_host_stops_and_no_kernel_is_culled(program: ModuleType, host: Path) -> None:
    for hours in (0, 9, 99):
        assert look(program, host, hours, timeout=0) == ("off", {"stops_at": None, "cull": 0})
    assert not (host / "ran").exists()


def test_the_time_of_the_host_runs_from_the_end_of_a_shell(
    program: ModuleType, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "find_host_work", lambda: "somebody is logged in by SSH")
    assert [look(program, host, hours)[0] for hours in (0, 5)] == ["busy", "busy"]
    monkeypatch.setattr(program, "find_host_work", lambda: "")
    assert look(program, host, 6)[0] == "idle"
    assert json.loads((host / "RUN" / "idle.json").read_text())["stops_at"] == program.show_time(NOW + 7 * HOUR)


def test_a_docker_that_does_not_answer_holds_the_host_for_a_while(
    program: ModuleType, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "inspect_notebooks", lambda: None)
    assert [look(program, host, hours)[0] for hours in (0, 5.9, 6.1, 7.9, 8.1)] == [
        *("busy", "busy", "idle", "ending", "ending")
    ]
    assert json.loads((host / "RUN" / "idle.json").read_text())["why"] == {"(host)": "Docker does not answer"}
    assert (host / "ran").read_text() == "systemctl poweroff"


def test_a_docker_that_dies_while_somebody_works_holds_the_host_from_then(
    program: ModuleType, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "look", lambda notebook, now: program.Seen(work="a kernel is busy"))
    assert [look(program, host, hours)[0] for hours in (0, 50)] == ["busy", "busy"]
    monkeypatch.setattr(program, "inspect_notebooks", lambda: None)
    # for ada's sake, of whom nobody knows, and whose kernels stay
    assert look(program, host, 55.9) == ("busy", {"stops_at": None, "cull": 0})
    assert [look(program, host, hours)[0] for hours in (56.1, 57.9, 58.1)] == ["idle", "ending", "ending"]
    assert (host / "ran").exists()


def test_what_is_at_work_on_the_host_holds_it_without_docker_too(
    program: ModuleType, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "inspect_notebooks", lambda: None)
    monkeypatch.setattr(program, "find_host_work", lambda: "packages are being installed")
    assert [look(program, host, hours)[0] for hours in (0, 9, 99)] == ["busy", "busy", "busy"]


def test_a_host_without_docker_is_one_where_it_does_not_answer(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program.inspect_notebooks() is None


@pytest.mark.parametrize(
    ("looked_at", "late"), [(NOW - 290, False), (NOW - 310, True), (NOW + 90, False), (None, False)]
)
def test_a_host_that_looks_no_more_is_late(program: ModuleType, looked_at: float | None, late: bool) -> None:
    told = {"state": "busy", **({} if looked_at is None else {"looked_at": program.show_time(looked_at)})}
    filters = load_file(ROLE / "filter_plugins" / "idle_stop.py", "idle_stop_filter")
    assert filters.idle_stop_told(told, 60, NOW) == {**told, "late": late}


@pytest.mark.parametrize(
    ("code", "transition", "since", "word"),
    [
        ("Client.InstanceInitiatedShutdown", "", "", "shut itself down"),
        ("Client.UserInitiatedShutdown", "User initiated (2026-11-25 22:10:11 GMT)", "2026-11-25T22:10:11Z", "asked"),
        ("Server.SpotInstanceShutdown", "", "", "AWS took this spot instance back"),
    ],
)
def test_of_a_stopped_host_is_said_what_ec2_knows(code: str, transition: str, since: str, word: str) -> None:
    known = load_file(ROLE / "filter_plugins" / "idle_stop.py", "idle_stop_filter").idle_stop_known(code, transition)
    assert (known["state"], known["since"]) == ("stopped", since)
    assert word in known["why"]["(host)"]
