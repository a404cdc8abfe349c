"""What sandboxes of one machine share is made by one process at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
from pathlib import Path
from typing import IO


@contextmanager
def take_turn(thing: str) -> Iterator[None]:
    """Wait until no other process of this machine makes the thing, and keep the others waiting meanwhile."""
    with _open(thing) as lock:
        flock(lock, LOCK_EX)
        yield


class Share:
    """Says, for as long as it is held, that this process uses what sandboxes share, so that nobody removes it."""

    def __init__(self) -> None:
        """Wait until nobody is removing it."""
        self._lock = _open("shared")
        flock(self._lock, LOCK_SH)

    def close(self) -> None:
        """Use it no more."""
        self._lock.close()

    @contextmanager
    def as_the_last(self) -> Iterator[bool]:
        """Tell whether no other process uses it; if so, others wait for the end of the block before they do."""
        try:
            flock(self._lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            flock(self._lock, LOCK_SH)


def _open(thing: str) -> IO[str]:
    # one for each user: the kernel lets nobody, not even root, open another's file in the folder for all
    return Path(tempfile.gettempdir(), f"dstk-sandbox-{os.getuid()}-{thing}.lock").open("a")
