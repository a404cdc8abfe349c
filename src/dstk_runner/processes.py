"""The processes of a run, found by a mark in their environment, so that none is missed and no other is touched.

Ansible's workers leave its process group, and ending ansible-playbook leaves the module it was running behind. What
all of them keep is the environment they inherited.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

__all__ = ["MARK", "end_processes", "find_processes"]

MARK = "DSTK_RUN"
"""The variable that every process of a run carries; its value is the run's id."""


def find_processes(run: str) -> set[int]:
    """Return the ids of the living processes of a run."""
    mark = f"{MARK}={run}"
    found = _search_proc(mark) if Path("/proc/self/environ").exists() else _search_ps(mark)
    return found - {os.getpid()}


def end_processes(run: str, *, grace: float = 5.0) -> None:
    """End every process of a run: asked first, and after `grace` seconds made to."""
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    # one that the kernel itself does not let go of is not waited for
    while (alive := find_processes(run)) and time.monotonic() < deadline + 5:
        if time.monotonic() < deadline:
            _send(alive - asked, signal.SIGTERM)
            asked |= alive
        else:
            _send(alive, signal.SIGKILL)
        time.sleep(0.05)


def _send(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def _search_proc(mark: str) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            # a zombie has no environment left, so it is not found
            if mark.encode() in environment.split(b"\0"):
                found.add(int(entry.name))
    return found


def _search_ps(mark: str) -> set[int]:
    """Ask ps where there is no /proc (macOS); `e` appends the environment to the command."""
    listing = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=True).stdout  # noqa: S607 - ps is where the system has it
    rows = (line.split() for line in listing.splitlines())
    return {int(words[0]) for words in rows if mark in words[1:]}
