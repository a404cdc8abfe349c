"""The processes of a run, found by a mark in their environment, so that none is missed and no other is touched.

Ansible's workers leave its process group, and ending ansible-playbook leaves the module it was running behind. What
all of them keep is the environment they inherited.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MARK", "end_processes", "find_processes", "guard"]

MARK = "DSTK_RUN"
"""The variable that every process of a run carries; its value is the run's id."""

_ENDED = b"ended"


def find_processes(run: str) -> set[int]:
    """Return the ids of the living processes of a run."""
    mark = f"{MARK}={run}"
    found = _search_proc(mark) if Path("/proc/self/environ").exists() else _search_ps(mark)
    return found - {os.getpid()}


def end_processes(run: str, *, grace: float = 5.0) -> None:
    """End every process of a run: asked first, and after `grace` seconds made to."""
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    empty = 0
    # a process that is just being replaced by another program shows no environment: two empty looks are one answer;
    # one that the kernel itself does not let go of is not waited for
    while empty < 2 and time.monotonic() < deadline + 5:
        alive = find_processes(run)
        empty = 0 if alive else empty + 1
        if time.monotonic() < deadline:
            _send(alive - asked, signal.SIGTERM)
            asked |= alive
        else:
            _send(alive, signal.SIGKILL)
        time.sleep(0.03)


@contextlib.contextmanager
def guard(run: str) -> Iterator[None]:
    """While this is open, see to it that the run does not outlive this process, even where that is killed.

    A small process of its own waits for the end of a pipe: it comes with a word, or with our death.
    """
    command = [sys.executable, "-I", __file__, run]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True) as watch:  # noqa: S603 - this file
        try:
            yield
        finally:
            with contextlib.suppress(BrokenPipeError):
                watch.communicate(_ENDED)


def _watch(run: str) -> None:
    if sys.stdin.buffer.read() != _ENDED:
        end_processes(run, grace=1)


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


if __name__ == "__main__":
    _watch(sys.argv[1])
