#!/usr/bin/python3
"""Hold dpkg's lock, as unattended-upgrades does, until ten seconds after apt-get has begun to wait for it."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path


def find_waiting() -> bool:
    """Answer whether apt-get is running to install something in earnest."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"apt-get") and b"install" in words and b"--simulate" not in words:
            return True
    return False


with Path("/var/lib/dpkg/lock-frontend").open("w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    while not find_waiting():
        time.sleep(0.2)
    time.sleep(10)
    if find_waiting():
        Path("/run/lock-was-waited-for").touch()
