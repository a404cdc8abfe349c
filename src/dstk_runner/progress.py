"""A run while it goes on: one line a stage and one a host, live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from dstk_runner.events import Event

__all__ = ["Progress"]

_SLOW = 3.0
"""Seconds after which a task is worth a plain line before it has ended."""

_HIDDEN = ("Validating arguments against arg spec",)


@dataclass
class _Stage:
    name: str
    began: float = field(default_factory=time.monotonic)
    took: float | None = None
    failed: bool = False


@dataclass
class _Host:
    task: str
    began: float = field(default_factory=time.monotonic)
    status: str = "started"
    told: bool = False


class Progress:
    """Shows events on a console, while it is open as a context; call it with each event."""

    def __init__(self, console: Console) -> None:
        """Show on this console, in the way that suits it."""
        self._console = console
        self._stages: list[_Stage] = []
        self._hosts: dict[str, _Host] = {}
        self._note = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._live: Live | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=False)
        self._show: Callable[[Event], None] = self._follow if self._live else self._print

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._live:
            self._live.start()
        else:
            threading.Thread(target=self._tell_slow, name="progress", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave the last picture, without the hosts where all went well."""
        self._ended.set()
        self._close_stage()
        if self._stages and kind:
            self._stages[-1].failed = True
        self._hosts = {name: host for name, host in self._hosts.items() if host.status in ("failed", "unreachable")}
        self._note = ""
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        if event.task and event.task.startswith(_HIDDEN):
            return
        with self._lock:
            if not self._stages or self._stages[-1].name != event.stage:
                self._close_stage()
                self._stages.append(_Stage(event.stage))
                self._hosts.clear()
                self._note = ""
                if not self._live:
                    self._console.print(Text(event.stage, style="bold"))
            self._show(event)

    def _close_stage(self) -> None:
        if self._stages and self._stages[-1].took is None:
            self._stages[-1].took = time.monotonic() - self._stages[-1].began

    def _follow(self, event: Event) -> None:
        if event.status == "note":
            self._note = event.message
        if not event.host or not event.task:
            return
        self._hosts[event.host] = _Host(event.task, status=event.status)
        if event.status in ("failed", "unreachable"):
            self._stages[-1].failed = True
        elif event.status == "started":
            self._stages[-1].failed = False

    def _print(self, event: Event) -> None:
        if event.status == "note":
            self._console.print(Text(f"  {event.message}"))
        if not event.host or not event.task:
            return
        host = self._hosts.get(event.host)
        if event.status == "started":
            self._hosts[event.host] = _Host(event.task)
        elif event.status in ("changed", "failed", "unreachable") or (host and host.told):
            words = f"{event.status}, {event.elapsed:.0f} s" if event.elapsed >= 1 else event.status
            self._console.print(Text(f"  {event.host}: {event.task} ({words})"), soft_wrap=True)
            self._hosts.pop(event.host, None)

    def _tell_slow(self) -> None:
        while not self._ended.wait(0.5):
            with self._lock:
                for name, host in self._hosts.items():
                    if not host.told and time.monotonic() - host.began > _SLOW:
                        host.told = True
                        self._console.print(Text(f"  {name}: {host.task} ..."), soft_wrap=True)

    def _render(self) -> RenderableType:
        lines: list[RenderableType] = [self._render_stage(stage) for stage in self._stages]
        if self._note:
            lines.append(Text(f"    {self._note}", style="dim", overflow="ellipsis", no_wrap=True))
        if self._hosts:
            table = Table.grid(padding=(0, 2))
            for name, host in self._hosts.items():
                style = "red" if host.status in ("failed", "unreachable") else "dim"
                table.add_row(
                    "  ", Text(name, style=style), Text(host.task, style=style, overflow="ellipsis", no_wrap=True)
                )
            lines.append(table)
        return Group(*lines)

    def _render_stage(self, stage: _Stage) -> RenderableType:
        took = stage.took if stage.took is not None else time.monotonic() - stage.began
        text = Text.assemble((f"{stage.name:<12}", "bold"), (f"{took:4.0f} s", "dim"))
        if stage.took is None:
            row = Table.grid(padding=(0, 1))
            row.add_row(_SPINNER, text)
            return row
        return Text.assemble(("✗ ", "red") if stage.failed else ("✓ ", "green"), text)


_SPINNER = Spinner("dots")
