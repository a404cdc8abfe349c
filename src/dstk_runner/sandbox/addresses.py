"""The public addresses of the sandbox: 127.77.0.0/16, which only this machine can reach."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection


class AddressPool:
    """Hands out addresses in turn, so that one that was released is not soon another's."""

    def __init__(self, find_used: Callable[[], Collection[str]], *, block: int = 0) -> None:
        """Take the function that answers which addresses are in use, and the /24 to begin with.

        Sandboxes that run side by side begin with different blocks, so that they do not meet soon.
        """
        self._find_used = find_used
        self._lock = threading.Lock()
        self._turn = itertools.cycle(
            f"127.77.{(block + third) % 256}.{fourth}" for third in range(256) for fourth in range(1, 255)
        )

    def take(self) -> str:
        """Return an address that nothing uses."""
        with self._lock:
            used = self._find_used()
            return next(address for address in self._turn if address not in used)
