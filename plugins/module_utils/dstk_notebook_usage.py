"""What a notebook uses, read from the kernel and the home: no program is started in the container."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PROCESSES = Path("/proc")
BLOCK_BYTES = 512
"""What st_blocks counts in, whatever the file system."""


def find_memory(pid: int) -> tuple[int | None, int | None]:
    """Answer the bytes that a container uses and may use at most, without what the kernel would give back at once.

    Args:
        pid: its first process, whose control group is the container's, in version 1 or 2.
    """
    folder, names = find_memory_group(pid)
    if folder is None:
        return None, None
    used, limit = (_number(folder / name) for name in names)
    for line in _text(folder / "memory.stat").splitlines():
        name, _, value = line.partition(" ")
        if used is not None and name in ("inactive_file", "total_inactive_file"):
            # version 1 has both, and the second counts
            inactive = int(value)
            if name == "total_inactive_file" or names[0] == "memory.current":
                used = max(0, used - inactive)
    # version 1 writes "no limit" as a number beyond any memory
    return used, None if limit is None or limit >= 1 << 60 else limit


def find_memory_group(pid: int) -> tuple[Path | None, tuple[str, str]]:
    """Answer the folder of a process's memory control group, and the names of what it uses and may use."""
    for line in _text(PROCESSES / str(pid) / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return CGROUPS / "memory" / path.lstrip("/"), ("memory.usage_in_bytes", "memory.limit_in_bytes")
        if not controllers and (CGROUPS / path.lstrip("/") / "memory.current").exists():
            return CGROUPS / path.lstrip("/"), ("memory.current", "memory.max")
    return None, ("", "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def find_home_usage(home: Path, seconds: float) -> tuple[int | None, str]:
    """Answer the bytes on disk of a home, and when something in it last changed.

    Jupyter saves what is edited and IPython writes down each cell that runs, so the newest change tells when the
    notebook was last at work. No link is followed.

    Args:
        home: the folder on the host.
        seconds: how long it may take.

    Returns:
        Bytes, None where the time was too short; the time in ISO 8601, UTC, empty where there is no home.
    """
    deadline, used, newest = time.monotonic() + seconds, 0, 0.0
    seen: set[int] = set()
    for number, entry in enumerate(_walk(home)):
        if number % 256 == 0 and time.monotonic() > deadline:
            return None, find_time(newest)
        if entry.st_nlink > 1 and not stat.S_ISDIR(entry.st_mode):
            if entry.st_ino in seen:
                continue
            seen.add(entry.st_ino)
        used += entry.st_blocks * BLOCK_BYTES
        newest = max(newest, entry.st_mtime)
    return used, find_time(newest)


def _walk(folder: Path) -> Iterator[os.stat_result]:
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    yield entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue  # what a student removes meanwhile is gone


def find_time(seconds: float) -> str:
    """Answer a time as ISO 8601 in UTC, never later than now: a student can date a file as they like."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(seconds, time.time()))) if seconds else ""
