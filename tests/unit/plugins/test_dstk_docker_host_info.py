"""What is read of a machine before anything is made on it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from support.plugins import Load

UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_CODENAME=noble\nBUG_REPORT_URL="https://x/?a=b"\n'


@pytest.fixture
def info(load: Load) -> ModuleType:
    return load("modules/dstk_docker_host_info")


def test_the_distribution_and_its_release_are_known(info: ModuleType) -> None:
    system = info.find_system(info.parse_release(UBUNTU))
    assert (system["id"], system["release"]) == ("Ubuntu", "noble")


def test_a_value_may_hold_an_equals_sign(info: ModuleType) -> None:
    assert info.parse_release(UBUNTU)["BUG_REPORT_URL"] == "https://x/?a=b"


def test_a_file_that_is_not_there_is_empty(info: ModuleType, tmp_path: Path) -> None:
    assert info.read(tmp_path / "daemon.json") == ""


def test_a_command_that_is_not_there_is_told_and_not_raised(info: ModuleType) -> None:
    assert info.run("no-such-command-anywhere")[0] == 127


def test_a_user_whom_nobody_knows_is_in_no_group(info: ModuleType) -> None:
    assert info.find_membership("no-such-user-anywhere") is False
