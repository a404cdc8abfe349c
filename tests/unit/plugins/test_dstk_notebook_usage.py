"""What a notebook uses is read from the home and the kernel."""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import ModuleType

import pytest

from support.plugins import Load


@pytest.fixture
def usage(load: Load) -> ModuleType:
    return load("module_utils/dstk_notebook_usage")


def test_a_home_takes_what_its_files_take(usage: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    assert usage.find_home_usage(tmp_path, 5)[0] >= 100_000


def test_a_file_with_two_names_is_counted_once(usage: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    once = usage.find_home_usage(tmp_path, 5)[0]
    (tmp_path / "again").hardlink_to(tmp_path / "data")
    assert usage.find_home_usage(tmp_path, 5)[0] == once


def test_a_link_out_of_the_home_is_not_followed(usage: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "big").write_bytes(b"x" * 1_000_000)
    (tmp_path / "home" / "link").symlink_to(tmp_path)
    assert usage.find_home_usage(tmp_path / "home", 5)[0] < 1_000_000


def test_the_newest_change_is_the_last_activity(usage: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.ipynb").touch()
    os.utime(tmp_path / "deep" / "a.ipynb", (1_700_000_000, 1_700_000_000))
    os.utime(tmp_path / "deep", (1_600_000_000, 1_600_000_000))
    assert usage.find_home_usage(tmp_path, 5)[1] == "2023-11-14T22:13:20Z"


def test_a_file_of_tomorrow_is_not_believed(usage: ModuleType) -> None:
    assert usage.find_time(time.time() + 86400) <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_a_home_that_takes_too_long_is_not_told(usage: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    assert usage.find_home_usage(tmp_path, -1)[0] is None


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        (
            "0::/c",
            {"c/memory.current": "900", "c/memory.max": "max", "c/memory.stat": "inactive_file 100"},
            (800, None),
        ),
        ("0::/c", {"c/memory.current": "900", "c/memory.max": "1000", "c/memory.stat": ""}, (900, 1000)),
        (
            "4:memory:/c",
            {
                "memory/c/memory.usage_in_bytes": "900",
                "memory/c/memory.limit_in_bytes": str((1 << 63) - 4096),
                "memory/c/memory.stat": "inactive_file 1\ntotal_inactive_file 300",
            },
            (600, None),
        ),
    ],
)
def test_either_version_of_control_groups_tells_the_memory(
    usage: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    group: str,
    files: dict[str, str],
    expected: tuple[int, int | None],
) -> None:
    for name, text in {
        "proc/7/cgroup": f"{group}\n",
        **{f"cgroup/{name}": text for name, text in files.items()},
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(usage, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(usage, "PROCESSES", tmp_path / "proc")
    assert usage.find_memory(7) == expected


def test_a_process_that_has_ended_tells_nothing(usage: ModuleType) -> None:
    assert usage.find_memory(0) == (None, None)
