"""A run as a live table: the stages, the total, and each student who is being worked on or whose host failed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dstk_runner.events import Event
from dstk_runner.pace import estimate_rest

__all__ = ["LiveTable"]

_BAD = ("failed", "unreachable")
_LEAST_ROWS = 4
_SPINNER = Spinner("dots")


@dataclass
class _Stage:
    name: str
    began: float = field(default_factory=time.monotonic)
    took: float | None = None
    failed: bool = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began if self.took is None else self.took


@dataclass
class _Host:
    students: tuple[str, ...]
    stage: str
    task: str
    status: str
    began: float = field(default_factory=time.monotonic)
    took: float | None = None

    @property
    def bad(self) -> bool:
        return self.status in _BAD

    @property
    def busy(self) -> bool:
        return self.status == "started"


class LiveTable:
    """Shows all of a class that fits on the screen, and counts the rest."""

    def __init__(self, console: Console, *, students: int, pace: Mapping[str, float]) -> None:
        """Show on this terminal; see `Progress` for the rest."""
        self._console = console
        self._students = students
        self._pace = pace
        self._began = time.monotonic()
        self._stages: list[_Stage] = []
        self._hosts: dict[str, _Host] = {}
        self._note = ""
        self._over = False
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=False)

    def start(self) -> None:
        """Begin to show."""
        self._live.start()

    def stop(self, *, failed: bool) -> None:
        """Leave the last picture, without the hosts where all went well, and give the terminal back."""
        self._close_stage()
        if self._stages and failed:
            self._stages[-1].failed = True
        self._hosts = {name: host for name, host in self._hosts.items() if host.bad}
        self._note = ""
        self._over = True
        self._live.stop()

    def open_stage(self, name: str) -> None:
        """Begin a line of a new stage; a host that failed stays, for no later stage has it."""
        self._close_stage()
        self._stages.append(_Stage(name))
        self._hosts = {name: host for name, host in self._hosts.items() if host.bad}
        self._note = ""

    def take(self, event: Event) -> None:
        """Take in one event."""
        if event.status == "note":
            self._note = event.message
        if not event.host or not event.task:
            return
        # the table is drawn in another thread: a host is replaced, never changed
        before = self._hosts.get(event.host)
        began = before.began if before and before.task == event.task else time.monotonic()
        took = None if event.status == "started" else event.elapsed
        host = _Host(event.students, event.stage, event.task, event.status, began, took)
        self._hosts = {**self._hosts, event.host: host}
        if event.status == "started" or host.bad:
            self._stages[-1].failed = any(host.bad and host.stage == event.stage for host in self._hosts.values())

    def _close_stage(self) -> None:
        if self._stages and self._stages[-1].took is None:
            self._stages[-1].took = self._stages[-1].seconds

    def _render(self) -> RenderableType:
        lines: list[RenderableType] = [self._render_stage(stage) for stage in self._stages]
        if self._note:
            lines.append(Text(f"    {self._note}", style="dim", overflow="ellipsis", no_wrap=True))
        rows = list(self._list_rows())
        if self._stages and (self._students > 1 or self._pace):
            lines.append(self._render_total(rows))
        room = max(_LEAST_ROWS, self._console.height - len(lines) - 3)
        if rows:
            table = Table.grid(padding=(0, 2))
            for name, host in rows[:room]:
                style = "red" if host.bad else "dim"
                seconds = time.monotonic() - host.began if host.took is None else host.took
                task = Text(host.task, style=style, overflow="ellipsis", no_wrap=True)
                table.add_row("  ", Text(name, style=style), host.stage, task, Text(f"{seconds:.0f} s", style="dim"))
            lines.append(table)
        if len(rows) > room:
            lines.append(Text(f"    and {len(rows) - room} more", style="dim"))
        return Group(*lines)

    def _list_rows(self) -> Iterator[tuple[str, _Host]]:
        """Answer a row a student (of a host, where its students are not known): the failed first, then the busy."""
        hosts = self._hosts
        order = sorted(hosts.items(), key=lambda item: (not item[1].bad, not item[1].busy))
        for name, host in order:
            for student in host.students or (name,):
                yield student, host

    def _render_total(self, rows: list[tuple[str, _Host]]) -> Text:
        parts = []
        if self._students > 1:
            failed = sum(host.bad for _, host in rows)
            busy = sum(host.busy and bool(host.students) for _, host in rows)
            parts.append(f"{self._students} students")
            parts += [f"{count} {word}" for count, word in ((busy, "at work"), (failed, "failed")) if count]
        parts.append(_clock(time.monotonic() - self._began))
        if self._pace and not self._over:
            took = {stage.name: stage.seconds for stage in self._stages}
            rest = estimate_rest(self._pace, took, now=self._stages[-1].name)
            parts.append(f"about {_clock(rest)} left")
        return Text(f"  {', '.join(parts)}", style="bold")

    def _render_stage(self, stage: _Stage) -> RenderableType:
        text = Text.assemble((f"{stage.name:<12}", "bold"), (f"{stage.seconds:4.0f} s", "dim"))
        if stage.took is None:
            row = Table.grid(padding=(0, 1))
            row.add_row(_SPINNER, text)
            return row
        return Text.assemble(("✗ ", "red") if stage.failed else ("✓ ", "green"), text)


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"
