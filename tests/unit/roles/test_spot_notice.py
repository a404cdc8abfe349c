"""What a host does when AWS takes it back."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.environment import ROOT
from support.plugins import load_file

PROGRAM = ROOT / "roles" / "spot_notice" / "files" / "spot_notice.py"
SERVICE = ROOT / "src" / "dstk_runner" / "sandbox" / "files" / "host" / "metadata.py"
NOTICE = {"action": "stop", "time": "2026-11-26T04:00:00Z"}
END = 1_795_665_600.0
MOUNTS = """\
/dev/nvme1n1 /srv/dstk xfs rw 0 0
/dev/loop3 /srv/dstk/ben/home ext4 rw 0 0
/dev/loop2 /srv/dstk/ada/home ext4 rw 0 0
/dev/loop4 /srv/dstkelse ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
"""


@pytest.fixture(scope="module")
def program() -> ModuleType:
    return load_file(PROGRAM, "spot_notice_program")


@pytest.fixture
def service(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The sandbox's metadata service, with nothing to tell."""
    told = tmp_path / "told.json"
    told.write_text("{}")
    server = load_file(SERVICE, "metadata_service").Metadata(("127.0.0.1", 0), told)
    threading.Thread(target=server.serve_forever).start()
    monkeypatch.setattr(program, "SERVICE", server.server_address)
    yield server
    server.shutdown()
    server.server_close()


class Host:
    """A host with ada's notebook, as far as commands tell. `fails` names those that do not work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = END - 115
        self.up = {"dstk-ada", "dstk-ben"}
        self.mounted = {"/srv/dstk", "/srv/dstk/ada/home", "/srv/dstk/ben/home"}
        self.ran: list[str] = []
        self.fails: set[str] = set()

    def run(self, *command: str, patience: float = 30) -> str:
        self.ran.append(" ".join(command))
        if self.ran[-1] in self.fails or command[0] in self.fails:
            raise subprocess.CalledProcessError(1, command, stderr="no")
        match command:
            case ("docker", "ps", *options):
                return "\n".join(sorted(self.up if "--all" not in options else {"dstk-ada", "dstk-ben"}))
            case ("docker", "stop", "--time", _, *names):
                self.up -= set(names)
            case ("docker", "start", *names):
                self.up |= set(names)
            case ("umount", path):
                self.mounted.remove(path)
            case ("systemd-escape", *_, path):
                return f"unit of {path}\n"
            case ("systemctl", "start", *units):
                self.mounted |= {unit.removeprefix("unit of ") for unit in units}
        return ""

    def read(self, path: str) -> Any:
        file = self.folder / path
        return json.loads(file.read_text()) if file.exists() else None

    def log(self) -> str:
        return (self.folder / "LOG").read_text()


@pytest.fixture
def host(program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    for name in ("SETTINGS", "RUN", "LOG", "MEMORY", "MOUNTS"):
        monkeypatch.setattr(program, name, tmp_path / name)
    (tmp_path / "SETTINGS" / "ada" / "jupyter").mkdir(parents=True)
    (tmp_path / "MOUNTS").write_text(MOUNTS)
    host = Host(tmp_path)
    monkeypatch.setattr(program, "run", host.run)
    monkeypatch.setattr(program.os.path, "ismount", lambda path: path in host.mounted)
    monkeypatch.setattr(program.time, "sleep", lambda seconds: None)
    return host


@pytest.fixture
def keeper(program: ModuleType, host: Host) -> Any:
    keeper = program.Keeper(30, clock=lambda: host.now)
    keeper.see(None)
    return keeper


@pytest.fixture
def see(program: ModuleType, host: Host, keeper: Any) -> Callable[[float, bool], None]:
    """Look so many seconds before the end, with a notice or without."""

    def see(left: float, there: bool = True) -> None:
        host.now = END - left
        keeper.see(program.Notice("stop", END) if there else None)

    return see


def test_a_service_without_a_notice_tells_of_none(program: ModuleType, service: Any) -> None:
    assert program.Service().find_notice() is None


def test_a_notice_is_read_with_its_moment(program: ModuleType, service: Any) -> None:
    service.told.write_text(json.dumps({"spot/instance-action": json.dumps(NOTICE)}))
    assert program.Service().find_notice() == program.Notice("stop", END)


def test_one_token_serves_until_it_ends(program: ModuleType, service: Any) -> None:
    asker = program.Service()
    assert [asker.find_notice() for _ in range(3)] == [None] * 3
    assert len(service.tokens) == 1
    service.tokens.clear()
    assert asker.find_notice() is None
    assert len(service.tokens) == 1


@pytest.mark.parametrize("said", ["soon", "{}", '{"action": "stop", "time": "soon"}', "[]"])
def test_a_notice_that_makes_no_sense_is_a_fault(program: ModuleType, service: Any, host: Host, said: str) -> None:
    service.told.write_text(json.dumps({"spot/instance-action": said}))
    assert program.look(program.Service(), program.Keeper(30))
    assert host.up == {"dstk-ada", "dstk-ben"}


@pytest.mark.parametrize(
    ("left", "before"), [(120, 30), (60, 30), (40, 20), (2, 1), (0, 0), (-5, 0)], ids=lambda value: str(value)
)
def test_there_is_time_to_save_and_time_to_stop(program: ModuleType, left: float, before: float) -> None:
    assert program.find_stop(END, END - left, 30) == END - before


def test_mounts_are_found_the_deepest_first(program: ModuleType) -> None:
    found = program.find_mounts(MOUNTS, "/srv/dstk")
    assert found == ["/srv/dstk/ada/home", "/srv/dstk/ben/home", "/srv/dstk"]


def test_a_notice_is_told_to_everybody_and_stops_nothing_yet(host: Host, see: Callable[..., None]) -> None:
    see(115)
    assert host.read("SETTINGS/ada/jupyter/spot.json") == {"stops_at": END - 30}
    assert host.read("RUN/spot.json") == {
        "since": "2026-11-26T03:58:05Z",
        "ends_at": "2026-11-26T04:00:00Z",
        "stops_at": "2026-11-26T03:59:30Z",
    }
    assert "AWS will stop this instance at 2026-11-26T04:00:00Z" in host.log()
    assert host.up == {"dstk-ada", "dstk-ben"}


def test_the_notebooks_are_stopped_in_time_and_their_homes_unmounted(host: Host, see: Callable[..., None]) -> None:
    for left in (115, 35, 30, 25):
        see(left)
    assert (host.up, host.mounted) == (set(), set())
    assert [command for command in host.ran if command.startswith(("docker stop", "umount"))] == [
        "docker stop --time 10 dstk-ada dstk-ben",
        "umount /srv/dstk/ada/home",
        "umount /srv/dstk/ben/home",
        "umount /srv/dstk",
    ]


def test_looks_come_in_time_for_the_stop(host: Host, keeper: Any, see: Callable[..., None]) -> None:
    assert keeper.find_pause(5) == 5
    see(115)
    assert keeper.find_pause(5) == 5
    see(32)
    assert keeper.find_pause(5) == 2
    see(29)
    assert keeper.find_pause(5) == 5


def test_a_file_system_in_use_stays_and_is_told(host: Host, see: Callable[..., None]) -> None:
    host.fails = {"umount /srv/dstk", "umount /srv/dstk/ben/home"}
    see(115)
    see(30)
    assert host.mounted == {"/srv/dstk", "/srv/dstk/ben/home"}
    assert host.read("MEMORY")["mounts"] == ["/srv/dstk/ada/home"]
    assert "/srv/dstk is still in use" in host.log()


def test_after_a_boot_the_notebooks_are_started_that_were_stopped(
    program: ModuleType, host: Host, see: Callable[..., None]
) -> None:
    host.up = {"dstk-ada"}
    see(115)
    see(30)
    host.mounted = {"/srv/dstk", "/srv/dstk/ada/home", "/srv/dstk/ben/home"}
    program.Keeper(30, clock=lambda: host.now).see(None)
    assert host.up == {"dstk-ada"}
    assert "docker start dstk-ada" in host.ran
    assert [host.read(path) for path in ("MEMORY", "RUN/spot.json", "SETTINGS/ada/jupyter/spot.json")] == [None] * 3


def test_a_notice_that_is_withdrawn_brings_everything_back(host: Host, see: Callable[..., None]) -> None:
    see(115)
    see(30)
    see(20, False)
    assert host.up == {"dstk-ada", "dstk-ben"}
    assert host.mounted == {"/srv/dstk", "/srv/dstk/ada/home", "/srv/dstk/ben/home"}
    assert "AWS has withdrawn its notice" in host.log()
    see(200)
    assert host.read("SETTINGS/ada/jupyter/spot.json") is not None


def test_no_notebook_starts_without_its_home(program: ModuleType, host: Host, see: Callable[..., None]) -> None:
    see(115)
    see(30)
    host.fails = {"systemctl"}
    with pytest.raises(subprocess.CalledProcessError):
        see(20, False)
    assert host.up == set()
    host.fails = set()
    see(10, False)
    assert host.up == {"dstk-ada", "dstk-ben"}


def test_a_docker_that_fails_is_asked_again(host: Host, keeper: Any, see: Callable[..., None]) -> None:
    see(115)
    host.fails = {"docker"}
    with pytest.raises(subprocess.CalledProcessError):
        see(30)
    assert 0 < keeper.find_pause(5) < 5
    host.fails = set()
    see(29)
    assert host.up == set()
    assert host.read("MEMORY")["containers"] == ["dstk-ada", "dstk-ben"]


def test_what_is_known_counts_while_nobody_answers(
    program: ModuleType, host: Host, keeper: Any, see: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    see(115)
    host.now = END - 30
    monkeypatch.setattr(program, "SERVICE", ("127.0.0.1", 9))
    assert "refused" in program.look(program.Service(), keeper)
    assert host.up == set()


def test_a_notebook_that_was_removed_meanwhile_is_not_started(
    program: ModuleType, host: Host, see: Callable[..., None]
) -> None:
    (host.folder / "MEMORY").write_text('{"containers": ["dstk-ada", "dstk-gone"], "mounts": []}')
    host.up = set()
    program.Keeper(30, clock=lambda: host.now).see(None)
    assert host.up == {"dstk-ada"}
