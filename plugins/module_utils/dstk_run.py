"""The run that a module belongs to.

Ansible's workers outlive an ansible-playbook that is killed, and finish their task. What goes on while the next run has
begun would make things twice, so a module that takes long asks before each call whether its run is still there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

COMMANDS = ("ansible", "ansible-playbook")


def find_run(proc: Path = Path("/proc")) -> Path | None:
    """Answer the folder of the outermost ansible-playbook above this process; None where the system shows none."""
    found = None
    pid = os.getppid()
    while pid > 1:
        folder = proc / str(pid)
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")[:2]
            # the name of the command, in brackets before it, may hold spaces
            pid = int((folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            break
        if any(Path(word.decode(errors="replace")).name in COMMANDS for word in words):
            found = folder
    return found


def end_with_its_run(client: Any, run: Path | None) -> None:
    """Let a client make no call any more once the run is gone."""

    def check(**_: Any) -> None:
        if run is not None and not _lives(run):
            raise SystemExit("the run that this belongs to was ended")

    client.meta.events.register("before-call", check)


def _lives(folder: Path) -> bool:
    """Answer whether a process is there, and not merely not yet noticed to have ended."""
    try:
        stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
