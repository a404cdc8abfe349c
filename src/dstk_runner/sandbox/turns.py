"""What sandboxes of one machine share is made by one process at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path


@contextmanager
def take_turn(thing: str) -> Iterator[None]:
    """Wait until no other process of this machine makes the thing, and keep the others waiting meanwhile."""
    with Path(tempfile.gettempdir(), f"dstk-sandbox-{thing}.lock").open("a") as lock:
        flock(lock, LOCK_EX)
        yield
