"""When a host stops, and why it does not."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.idle_program import HOUR, NOW, load_program


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return load_program()


def judge(program: ModuleType, seen: dict[str, Any], before: dict[str, Any] | None = None, **options: float) -> Any:
    given = {"now": NOW, "started": NOW - 24 * HOUR, "timeout": 2 * HOUR, "patience": 6 * HOUR, **options}
    known = {student: program.Memory() for student in seen} if before is None else before
    return program.judge(seen, known, **given)


def test_a_host_stops_the_timeout_after_the_last_work_of_anybody(program: ModuleType) -> None:
    seen = {"ada": program.Seen(last=NOW - HOUR), "ben": program.Seen(last=NOW - 5 * HOUR)}
    verdict = judge(program, seen)
    assert (verdict.state, verdict.since, verdict.stops_at) == ("idle", NOW - HOUR, NOW + HOUR)


def test_a_busy_kernel_holds_the_host_however_long_it_computes(program: ModuleType) -> None:
    before = {"ada": program.Memory(NOW - 100 * HOUR, NOW - 100 * HOUR)}
    verdict = judge(program, {"ada": program.Seen(work="a kernel is busy", last=NOW - 99 * HOUR)}, before)
    assert (verdict.state, verdict.stops_at) == ("busy", NOW + 2 * HOUR)


def test_a_start_of_the_host_counts_as_work(program: ModuleType) -> None:
    verdict = judge(program, {"ada": program.Seen(last=NOW - 90 * HOUR)}, started=NOW - 60)
    assert (verdict.state, verdict.stops_at) == ("idle", NOW - 60 + 2 * HOUR)


@pytest.mark.parametrize("fields", [{"open": True}, {"answers": False}])
def test_an_open_notebook_and_a_silent_one_hold_the_host_for_a_while(
    program: ModuleType, fields: dict[str, bool]
) -> None:
    remembered = {"ada": program.Memory(NOW - 5 * HOUR, NOW - 60)}
    assert judge(program, {"ada": program.Seen(**fields)}, remembered).state == "busy"
    forgotten = {"ada": program.Memory(NOW - 7 * HOUR, NOW - HOUR)}
    verdict = judge(program, {"ada": program.Seen(**fields)}, forgotten)
    assert (verdict.state, verdict.stops_at) == ("idle", NOW + HOUR)


def test_a_connection_that_ends_lets_the_time_run_from_there(program: ModuleType) -> None:
    remembered = {"ada": program.Memory(NOW - 3 * HOUR, NOW - 60)}
    verdict = judge(program, {"ada": program.Seen(last=NOW - 3 * HOUR)}, remembered)
    assert (verdict.state, verdict.since) == ("idle", NOW - 60)


def test_a_notebook_that_nobody_looked_at_before_counts_as_work(program: ModuleType) -> None:
    assert judge(program, {"ada": program.Seen(answers=False)}, {}).stops_at == NOW + 2 * HOUR


def test_a_stopped_notebook_holds_nothing(program: ModuleType) -> None:
    verdict = judge(program, {"ada": program.Seen(running=False, answers=False)})
    assert (verdict.state, verdict.why) == ("idle", {"ada": "the notebook is stopped"})


def test_a_clock_that_was_set_back_holds_nothing(program: ModuleType) -> None:
    remembered = {"ada": program.Memory(NOW + 99 * HOUR, NOW + 99 * HOUR)}
    assert judge(program, {"ada": program.Seen(last=NOW - HOUR)}, remembered).stops_at <= NOW + 2 * HOUR


@pytest.mark.parametrize(
    ("since", "announced_for", "state", "left"),
    [
        (HOUR, None, "idle", HOUR),
        (2 * HOUR - 300, None, "ending", 600),
        (2 * HOUR - 300, 450.0, "ending", 300),
        (9 * HOUR, None, "ending", 600),
        (9 * HOUR, 600.0, "ending", 0),
    ],
    ids=["far", "near", "announced", "a clock that leapt", "over"],
)
def test_an_end_is_announced_for_the_whole_of_the_warning(
    program: ModuleType, since: float, announced_for: float | None, state: str, left: float
) -> None:
    verdict = judge(program, {"ada": program.Seen(last=NOW - since)})
    said = program.announce(verdict, now=NOW, announced_for=announced_for, warning=600)
    assert (said.state, said.stops_at - NOW) == (state, left)


def test_a_busy_host_announces_nothing(program: ModuleType) -> None:
    verdict = judge(program, {"ada": program.Seen(work="x")})
    assert program.announce(verdict, now=NOW, announced_for=99.0, warning=600).state == "busy"


def test_a_busy_kernel_is_told_by_its_notebook(program: ModuleType) -> None:
    kernels = [{"id": "1", "execution_state": "busy"}, {"id": "2", "execution_state": "idle"}]
    sessions = [{"path": "a.ipynb", "kernel": {"id": "1"}}, {"path": "b.ipynb", "kernel": {"id": "2"}}]
    assert program.find_busy(kernels, sessions) == "a kernel is busy: a.ipynb"
    assert program.find_busy(kernels, []) == "a kernel is busy"
    assert program.find_busy(kernels[1:], sessions) == ""


def test_a_name_cannot_write_on_an_admins_terminal(program: ModuleType) -> None:
    assert program.clean("a\x1b[2Jb\n") == "a?[2Jb?"


def test_notebooks_are_found_by_their_labels(program: ModuleType) -> None:
    entry = {
        "Name": "/dstk-ada",
        "Config": {"Labels": {"dstk.student": "ada"}},
        "State": {"Status": "running", "Pid": 7},
        "HostConfig": {"PortBindings": {"8888/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8889"}]}},
    }
    stopped = {**entry, "State": {"Status": "restarting", "Pid": 0}, "HostConfig": {"PortBindings": None}}
    assert program.find_notebooks([entry]) == [program.Notebook("ada", 8889, 7, True)]
    assert program.find_notebooks([stopped]) == [program.Notebook("ada", 0, 0, False)]


@pytest.mark.parametrize(
    ("states", "port"),
    [
        ({"dstk-ada": "running", "dstk-ada.before": "exited"}, 1),
        ({"dstk-ada": "running", "dstk-ada.before": "running"}, 1),
        ({"dstk-ada": "created", "dstk-ada.before": "running"}, 2),
        ({"dstk-ada": "exited", "dstk-ada.before": "exited"}, 1),
    ],
    ids=["after it stopped", "both run", "before it ran", "none runs"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_an_upgrade_that_was_killed_hides_no_notebook_that_runs(
    program: ModuleType, states: dict[str, str], port: int, turned: bool
) -> None:
    entries = [
        {
            "Name": f"/{name}",
            "Config": {"Labels": {"dstk.student": "ada"}},
            "State": {"Status": state, "Pid": 7},
            "HostConfig": {"PortBindings": {"8888/tcp": [{"HostPort": "2" if "before" in name else "1"}]}},
        }
        for name, state in states.items()
    ]
    found = program.find_notebooks(entries[::-1] if turned else entries)
    assert found == [program.Notebook("ada", port, 7, "running" in states.values())]


def test_a_cookie_is_signed_as_tornado_signs_it(program: ModuleType) -> None:
    made = program.make_cookie("ada", b"key", "hash", 1_800_000_000)
    assert made.startswith("2|1:0|10:1800000000|8:dstk-ada|160:eyJ1c2VybmFtZSI6ICJkc3RrIiwg")
    # what tornado 6.6.1 makes of the same name, value, time and key
    assert made.endswith("|d613af1a5636bd3f7912be0eb68800d7e4035a5c29be04284a4cfba28a828541")


class Teller(BaseHTTPRequestHandler):
    """Says what the test wants to be said."""

    said: dict[str, Any]

    def do_GET(self) -> None:
        body = self.said.get(self.path.partition("?")[0].rpartition("/")[2])
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body.encode() if isinstance(body, str) else json.dumps(body).encode())

    def log_message(self, *words: object) -> None:
        """Be quiet."""


@pytest.fixture
def jupyter(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, type[Teller]]]:
    """A notebook of ada's, and what its Jupyter says."""
    folder = tmp_path / "ada" / "jupyter"
    folder.mkdir(parents=True)
    (folder / "cookie_secret").write_text("key")
    (folder / "jupyter_server_config.json").write_text('{"PasswordIdentityProvider": {"hashed_password": "hash"}}')
    monkeypatch.setattr(program, "SETTINGS", tmp_path)
    teller = type("Own", (Teller,), {"said": {}})
    with HTTPServer(("127.0.0.1", 0), teller) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield program.Notebook("ada", server.server_address[1], 0, True), teller
        server.shutdown()


def test_a_notebook_is_asked_for_what_goes_on(program: ModuleType, jupyter: tuple[Any, type[Teller]]) -> None:
    notebook, teller = jupyter
    kernel = {"id": "1", "execution_state": "idle", "connections": 1, "last_activity": "2026-11-25T11:00:00.5Z"}
    teller.said = {"status": {"last_activity": "2026-11-25T10:00:00.5Z"}, "kernels": [kernel], "sessions": []}
    seen = program.look(notebook, time.time())
    assert (seen.work, seen.open, seen.answers) == ("", True, True)
    assert seen.last == min(time.time(), program.parse_moment("2026-11-25T11:00:00"))


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"status": "no json"},
        {"status": [], "kernels": []},
        {"status": {"last_activity": "never"}, "kernels": []},
        {"status": "[" * 500_000},
        {
            "status": {"last_activity": "2026-11-25T10:00:00Z"},
            "kernels": '[{"last_activity": "2026-11-25T10:00:00Z", "connections": 1e999}]',
            "sessions": [],
        },
    ],
    ids=["nothing", "no json", "another shape", "no time", "brackets without end", "a number beyond all numbers"],
)
def test_who_says_nonsense_does_not_answer(
    program: ModuleType, jupyter: tuple[Any, type[Teller]], said: dict[str, Any]
) -> None:
    notebook, teller = jupyter
    teller.said = said
    assert program.look(notebook, NOW) == program.Seen(answers=False)


def test_who_says_too_much_does_not_answer(program: ModuleType, jupyter: tuple[Any, type[Teller]]) -> None:
    notebook, teller = jupyter
    teller.said = {"status": "x" * (program.ANSWER_BYTES + 70_000)}
    assert program.look(notebook, NOW).answers is False


def test_processes_that_no_kernel_tells_of_are_work(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "look", lambda notebook, now: program.Seen(last=now - 9 * HOUR))
    notebooks = [program.Notebook(name, 0, 1, True) for name in ("ada", "ben")]
    before = {"moment": time.monotonic() - 60, "used": {"ada": 100.0, "ben": 100.0}}
    seen = program.look_at_all(notebooks, {"ada": 130.0, "ben": 101.0}, before, NOW)
    assert {name: found.work for name, found in seen.items()} == {"ada": "processes are at work", "ben": ""}
    assert {name: found.computes for name, found in seen.items()} == {"ada": True, "ben": False}


def test_a_busy_kernel_does_not_hide_that_processes_compute(
    program: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "look", lambda notebook, now: program.Seen(work="a kernel is busy"))
    before = {"moment": time.monotonic() - 60, "used": {"ada": 100.0}}
    seen = program.look_at_all([program.Notebook("ada", 0, 1, True)], {"ada": 130.0}, before, NOW)
    assert seen["ada"] == program.Seen(work="a kernel is busy", computes=True)


def test_processor_time_is_read_from_either_version_of_control_groups(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "PROCESSES", tmp_path)
    monkeypatch.setattr(program, "CGROUPS", tmp_path)
    for pid, text in (("1", "4:cpu,cpuacct:/docker/a\n"), ("2", "0::/docker/b\n")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "cgroup").write_text(text)
    for path, text in (
        ("cpuacct/docker/a/cpuacct.usage", "1500000000\n"),
        ("docker/b/cpu.stat", "usage_usec 2500000\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    assert [program.find_processor_seconds(pid) for pid in (1, 2, 3)] == [1.5, 2.5, None]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (b"sshd: ubuntu@pts/0\0", "somebody is logged in by SSH"),
        (b"sshd-session: ubuntu@pts/0\0", "somebody is logged in by SSH"),
        (b"sshd: ubuntu@notty\0", ""),
        (b"/usr/bin/docker\0pull\0image\0", "dstk is at work on the host"),
        (b"docker\0exec\0-i\0dstk-ada\0tar\0", "dstk is at work on the host"),
        (b"docker\0inspect\0dstk-ada\0", ""),
        (b"/bin/sh\0/usr/lib/apt/apt.systemd.daily\0install\0", "packages are being installed"),
        (b"/usr/share/unattended-upgrades/unattended-upgrade-shutdown\0--wait-for-signal\0", ""),
    ],
)
def test_what_holds_a_host_up_beside_its_notebooks(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: bytes, text: str
) -> None:
    monkeypatch.setattr(program, "PROCESSES", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(command)
    assert program.find_host_work() == text


def test_the_log_has_a_line_only_when_something_changed(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SETTINGS", "RUN"):
        monkeypatch.setattr(program, name, tmp_path / name)
    monkeypatch.setattr(program, "LOG", tmp_path / "log" / "idle.log")
    (tmp_path / "SETTINGS" / "ada" / "jupyter").mkdir(parents=True)
    for minute in range(3):
        verdict = judge(program, {"ada": program.Seen(last=NOW - HOUR)}, now=NOW + 60 * minute)
        program.tell(verdict, 2 * HOUR, NOW + 60 * minute)
    assert program.LOG.read_text().count("idle: ada: nothing runs") == 1
    said = json.loads((tmp_path / "RUN" / "idle.json").read_text())
    assert said["stops_at"] == program.show_time(NOW + HOUR)
    assert said["looked_at"] == program.show_time(NOW + 120)
    notice = json.loads((tmp_path / "SETTINGS" / "ada" / "jupyter" / "idle.json").read_text())
    assert notice == {"stops_at": None, "cull": 7200}
