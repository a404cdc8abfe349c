"""Homes that are file systems in files: made, listed, never formatted twice."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from support.plugins import Load

MB = 1000**2


@pytest.fixture
def homes(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, with a fstab of its own, and no command that asks for root."""
    module = load("module_utils/dstk_notebook_homes")
    monkeypatch.setattr(module, "FSTAB", tmp_path / "fstab")
    (tmp_path / "fstab").write_text("/dev/sda1 / ext4 defaults 0 1\n")

    def run(*command: str) -> tuple[int, str, str]:
        if command[0] != "mkfs.ext4":
            return 0, "", ""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    monkeypatch.setattr(module, "run", run)
    return module


def ada(folder: Path) -> Path:
    """The folder of a student on a host."""
    (folder / "homes/ada").mkdir(parents=True)
    return folder / "homes/ada"


def test_a_home_of_an_earlier_dstk_is_left_as_it_is(homes: ModuleType, tmp_path: Path) -> None:
    folder = ada(tmp_path)
    (folder / "home").mkdir()
    (folder / "home/work").touch()
    assert (homes.ensure_mounted(folder, 1), (folder / "home.img").exists()) == (False, False)


def test_a_home_has_the_size_that_was_asked_for(homes: ModuleType, tmp_path: Path) -> None:
    homes.ensure_mounted(ada(tmp_path), 0.05)
    assert homes.find_size(tmp_path / "homes/ada/home.img") == pytest.approx(50 * MB, abs=4096)


def test_a_file_system_that_is_there_is_never_made_anew(homes: ModuleType, tmp_path: Path) -> None:
    folder = ada(tmp_path)
    homes.ensure_mounted(folder, 0.05)
    before = (folder / "home.img").read_bytes()
    homes.ensure_mounted(folder, 0.03)
    assert (folder / "home.img").read_bytes() == before


def test_a_home_is_there_before_docker_starts(homes: ModuleType, tmp_path: Path) -> None:
    folder = ada(tmp_path)
    homes.ensure_mounted(folder, 0.05)
    homes.ensure_mounted(folder, 0.05)
    lines = (tmp_path / "fstab").read_text().splitlines()
    assert lines[1:] == [
        f"{folder}/home.img {folder}/home ext4 loop,nosuid,nodev,nofail,x-systemd.before=docker.service 0 0"
    ]


def test_a_home_that_leaves_is_no_longer_mounted_at_the_start(homes: ModuleType, tmp_path: Path) -> None:
    folder = ada(tmp_path)
    homes.ensure_mounted(folder, 0.05)
    homes.ensure_unmounted(folder)
    assert (tmp_path / "fstab").read_text() == "/dev/sda1 / ext4 defaults 0 1\n"


def test_homes_are_never_more_than_the_disk(homes: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimpleNamespace(f_blocks=10 * 1000**3 // 4096, f_frsize=4096)
    monkeypatch.setattr("os.statvfs", lambda _: disk)
    with pytest.raises(homes.HomeError, match="Fix: raise volume_size"):
        homes.ensure_mounted(ada(tmp_path), 3)
