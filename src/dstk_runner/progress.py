"""A run while it goes on: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console

from dstk_runner.config import Config
from dstk_runner.events import Event
from dstk_runner.progress_lines import Lines
from dstk_runner.progress_table import LiveTable

__all__ = ["Progress", "follow"]

_HIDDEN = ("Validating arguments against arg spec",)


@contextmanager
def follow(console: Console, config: Config, command: str) -> Iterator[Progress]:
    """Show a command's run, with an estimate of what is left, and remember how long its stages took."""
    from dstk_runner.pace import keep_pace, read_pace

    with Progress(console, students=len(config.members), pace=read_pace(config, command)) as progress:
        yield progress
    keep_pace(config, command, progress.took)


class Progress:
    """Shows events on a console, while it is open as a context; call it with each event."""

    def __init__(self, console: Console, *, students: int = 1, pace: Mapping[str, float] | None = None) -> None:
        """Show on this console, in the way that suits it.

        Args:
            console: where to.
            students: how many there are, for the total.
            pace: seconds that each stage is likely to take; without it nothing is said of what is left.
        """
        live = console.is_terminal and not console.is_dumb_terminal
        self._view: Lines | LiveTable = (
            LiveTable(console, students=students, pace=pace or {}) if live else Lines(console)
        )
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._stage = ""
        self._lock = threading.Lock()

    @property
    def took(self) -> Mapping[str, float]:
        """Seconds that each stage took."""
        return dict(self._took)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._view.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave the last picture, without the hosts where all went well."""
        self._close_stage()
        self._view.stop(failed=kind is not None)

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if event.task and event.task.startswith(_HIDDEN):
            return
        with self._lock:
            if event.stage != self._stage:
                self._close_stage()
                self._stage = event.stage
                self._began[event.stage] = time.monotonic()
                self._view.open_stage(event.stage)
            self._view.take(event)

    def _close_stage(self) -> None:
        if self._stage:
            spent = time.monotonic() - self._began[self._stage]
            self._took[self._stage] = self._took.get(self._stage, 0.0) + spent
            self._stage = ""
