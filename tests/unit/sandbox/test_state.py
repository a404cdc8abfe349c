from __future__ import annotations

import os
from pathlib import Path

import pytest

from dstk_runner.sandbox import SandboxError
from dstk_runner.sandbox.state import STATE_FILE, SandboxState, find_state, is_server, parse_mode, write_state

STATE = SandboxState(os.getpid(), 7700, "api", "2026-11-01T00:00:00+00:00", "AKIA", "secret")


def test_what_is_written_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dstk_runner.sandbox.state.is_server", lambda pid: pid == os.getpid())
    write_state(tmp_path, STATE)
    assert find_state(tmp_path) == STATE


def test_the_state_of_a_process_that_is_no_server_is_none(tmp_path: Path) -> None:
    write_state(tmp_path, STATE)
    assert find_state(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_file_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE_FILE).write_text(text)
    assert find_state(tmp_path) is None


def test_no_file_is_none(tmp_path: Path) -> None:
    assert find_state(tmp_path) is None


def test_a_process_that_does_not_exist_is_no_server() -> None:
    assert not is_server(2**22 + 1)


def test_there_are_two_modes() -> None:
    assert [parse_mode("hosts"), parse_mode("api")] == ["hosts", "api"]
    with pytest.raises(SandboxError, match="cloud"):
        parse_mode("cloud")
