from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dstk_runner.config import Config, load_config
from dstk_runner.errors import BusyError, ConfigError
from dstk_runner.processes import MARK, find_processes
from dstk_runner.state import ensure_folder, find_logs, forget_hosts, hold_lock, new_log, read_password


@pytest.fixture
def config(home: Path) -> Config:
    return load_config({"deployment": "tried"})


def test_the_folder_is_for_its_owner_alone(config: Config) -> None:
    assert oct(ensure_folder(config).stat().st_mode)[-3:] == "700"


def test_a_log_is_for_its_owner_alone_and_named_by_its_command(config: Config) -> None:
    log = new_log(config, "up")
    assert oct(log.stat().st_mode)[-3:] == "600"
    assert log.name.endswith("-up.log")


def test_two_logs_of_one_second_are_two_files(config: Config) -> None:
    assert len({new_log(config, "up") for _ in range(5)}) == 5


def test_old_logs_make_room(config: Config) -> None:
    first = new_log(config, "first")
    for _ in range(105):
        new_log(config, "up").rename(first.parent / f"2999{os.urandom(4).hex()}-up.log")
    assert first not in find_logs(config)


def test_a_state_folder_that_is_a_file_is_a_wrong_request(home: Path) -> None:
    (home / "taken").write_text("")
    with pytest.raises(ConfigError, match="state_dir"):
        ensure_folder(load_config({"state_dir": str(home / "taken")}))


def test_a_second_run_is_refused_and_told_who_is_first(config: Config) -> None:
    script = (
        "import sys; from dstk_runner.config import load_config; from dstk_runner.state import hold_lock;"
        "lock = hold_lock(load_config({'deployment': 'tried'}), 'up');"
        "lock.__enter__(); print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(BusyError, match=f"dstk up.*{other.pid}"), hold_lock(config, "destroy"):
            pass
        other.communicate()


def test_the_lock_is_free_again_afterwards(config: Config) -> None:
    for _ in range(2):
        with hold_lock(config, "up"):
            pass
    assert (config.folder / "lock").read_text() == ""


def test_what_a_killed_run_left_is_ended_by_the_next(config: Config) -> None:
    lock = ensure_folder(config) / "lock"
    lock.write_text('{"pid": "0", "command": "up", "run": "left-behind"}')
    orphan = subprocess.Popen(["sleep", "300"], env={**os.environ, MARK: "left-behind"})
    with hold_lock(config, "up"):
        assert find_processes("left-behind") == set()
    orphan.wait(timeout=5)


def test_a_password_that_is_missing_is_empty(tmp_path: Path) -> None:
    assert read_password(tmp_path / "none") == ""


def test_forgetting_hosts_keeps_the_logs(config: Config) -> None:
    log = new_log(config, "up")
    (config.folder / "passwords").mkdir()
    (config.folder / "passwords" / "ada").write_text("secret")
    (config.folder / "known_hosts").write_text("i-1 ssh-ed25519 AAAA")
    forget_hosts(config)
    assert log.exists()
    assert not (config.folder / "passwords" / "ada").exists()
    assert not (config.folder / "known_hosts").exists()
