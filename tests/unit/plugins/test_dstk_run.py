from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.plugins import Load


@pytest.fixture(scope="module")
def runs(load: Load) -> ModuleType:
    return load("module_utils/dstk_run")


def process(proc: Path, pid: int, parent: int, *words: str) -> Path:
    """A process as Linux shows it."""
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in words))
    (folder / "stat").write_text(f"{pid} (a name (2)) S {parent} 0 0")
    return folder


def test_the_run_is_the_outermost_playbook_above_the_worker(runs: ModuleType, tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), 30, "/bin/sh", "-c", "python AnsiballZ_x.py")
    process(tmp_path, 30, 20, "/usr/bin/python3", "/opt/bin/ansible-playbook", "site.yml")
    main = process(tmp_path, 20, 10, "/usr/bin/python3", "/opt/bin/ansible-playbook", "site.yml")
    process(tmp_path, 10, 1, "/usr/bin/python3", "/opt/bin/dstk", "up")
    assert runs.find_run(tmp_path) == main


def test_without_a_playbook_above_there_is_no_run(runs: ModuleType, tmp_path: Path) -> None:
    process(tmp_path, os.getppid(), 1, "bash")
    assert runs.find_run(tmp_path) is None


def test_a_system_that_shows_no_processes_has_no_run(runs: ModuleType, tmp_path: Path) -> None:
    assert runs.find_run(tmp_path) is None


def test_a_client_makes_no_call_once_its_run_is_gone(runs: ModuleType, aws: Any, tmp_path: Path) -> None:
    folder = process(tmp_path, 20, 1, "ansible-playbook")
    runs.end_with_its_run(aws, folder)
    assert aws.describe_vpcs()["Vpcs"]
    folder.rename(tmp_path / "gone")
    with pytest.raises(SystemExit):
        aws.describe_vpcs()
