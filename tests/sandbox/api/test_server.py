"""The sandbox's process: one of it, found again, and gone when it is told to go."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dstk_runner import sandbox
from dstk_runner.sandbox.state import is_server


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "sandbox"
    sandbox.down(directory=tmp_path / "sandbox")


def test_up_twice_is_the_same_sandbox(empty: Path) -> None:
    assert sandbox.up(mode="api", directory=empty) == sandbox.up(mode="api", directory=empty)


def test_two_at_once_make_one_server(empty: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda _: sandbox.up(mode="api", directory=empty), range(4)))
    assert len({state.pid for state in states}) == 1


def test_down_ends_the_server(empty: Path) -> None:
    state = sandbox.up(mode="api", directory=empty)
    sandbox.down(directory=empty)
    assert (sandbox.status(directory=empty), is_server(state.pid)) == (None, False)


def test_down_twice_is_fine(empty: Path) -> None:
    sandbox.up(mode="api", directory=empty)
    sandbox.down(directory=empty)
    sandbox.down(directory=empty)
    assert not (empty / "server.json").exists()


def test_down_where_there_never_was_one_is_fine(tmp_path: Path) -> None:
    sandbox.down(directory=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_killed_server_is_noticed_and_replaced(empty: Path) -> None:
    killed = sandbox.up(mode="api", directory=empty)
    os.kill(killed.pid, signal.SIGKILL)
    while sandbox.status(directory=empty) is not None:
        pass
    assert sandbox.up(mode="api", directory=empty).pid != killed.pid


def test_a_state_file_of_another_process_is_not_believed(empty: Path) -> None:
    empty.mkdir()
    values = {"pid": os.getpid(), "port": 1, "mode": "api", "started": "", "access_key_id": "", "secret_access_key": ""}
    (empty / "server.json").write_text(json.dumps(values))
    assert sandbox.status(directory=empty) is None


def test_a_taken_port_is_an_error_only_if_asked_for(empty: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(sandbox.SandboxError, match="taken"):
        sandbox.up(mode="api", directory=empty, port=taken.getsockname()[1])
    assert sandbox.up(mode="api", directory=empty).port


def test_two_folders_are_two_sandboxes(empty: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    try:
        assert sandbox.up(mode="api", directory=empty).port != sandbox.up(mode="api", directory=other).port
    finally:
        sandbox.down(directory=other)


def test_without_a_mode_the_running_sandbox_is_meant(empty: Path) -> None:
    assert sandbox.up(mode="api", directory=empty) == sandbox.up(directory=empty)


def test_the_other_mode_is_refused_while_one_runs(empty: Path) -> None:
    sandbox.up(mode="api", directory=empty)
    with pytest.raises(sandbox.SandboxError, match="mode api"):
        sandbox.up(mode="hosts", directory=empty)


def test_the_secret_is_the_owners_alone(empty: Path) -> None:
    sandbox.up(mode="api", directory=empty)
    assert stat.S_IMODE((empty / "server.json").stat().st_mode) == 0o600


def test_the_environment_needs_a_running_sandbox(empty: Path) -> None:
    with pytest.raises(sandbox.SandboxError, match="No sandbox"):
        sandbox.environment(directory=empty)


def test_the_environment_tells_the_callers_address(empty: Path) -> None:
    sandbox.up(mode="api", directory=empty)
    service = sandbox.environment(directory=empty)["DSTK_ADDRESS_SERVICE"]
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(service) as answer:
        assert answer.read().strip() == b"127.0.0.1"
