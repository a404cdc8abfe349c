"""A run as plain lines, for logs and pipes: one a task, however many hosts it has."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from dstk_runner.events import Event, Status

__all__ = ["Lines"]

_CONTROLLER = "localhost"
_SLOW = 3.0
"""Seconds after which a task is worth a line before it has ended."""
_STILL = 60.0
"""Seconds after which a task that still goes on is worth another line."""


@dataclass
class _Task:
    name: str
    began: float = field(default_factory=time.monotonic)
    started: set[str] = field(default_factory=set)
    ended: dict[str, Status] = field(default_factory=dict)
    longest: float = 0.0
    told: float | None = None

    @property
    def over(self) -> bool:
        return self.started <= self.ended.keys()


class Lines:
    """Prints the stages, what changed and what failed, and what takes long while it does."""

    def __init__(self, console: Console) -> None:
        """Print on this console."""
        self._console = console
        self._tasks: dict[str, _Task] = {}
        self._hosts: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to watch for what takes long."""
        threading.Thread(target=self._watch, name="progress", daemon=True).start()

    def stop(self, *, failed: bool) -> None:
        """Say what has not been said yet; `failed` is told by whoever fails."""
        self._ended.set()
        if not failed:
            with self._lock:
                self._close_tasks()

    def open_stage(self, name: str) -> None:
        """Name a new stage."""
        with self._lock:
            self._close_tasks()
            self._hosts.clear()
        self._print(name, style="bold")

    def take(self, event: Event) -> None:
        """Take in one event."""
        if event.status == "note":
            self._print(f"  {event.message}")
        if not event.host or not event.task:
            return
        with self._lock:
            if event.host != _CONTROLLER:
                self._hosts.add(event.host)
            if event.task not in self._tasks:
                self._close_tasks(over=True)
            task = self._tasks.setdefault(event.task, _Task(event.task))
            task.started.add(event.host)
            if event.status == "started":
                return
            task.ended[event.host] = event.status
            task.longest = max(task.longest, event.elapsed)
            alone = len(self._hosts) == 1 or event.host == _CONTROLLER
            if alone or event.status in ("failed", "unreachable"):
                self._tell_host(task, event, alone=alone)

    def _tell_host(self, task: _Task, event: Event, *, alone: bool) -> None:
        """Say how a task ended on one host, where that is worth a line."""
        if event.status in ("changed", "failed", "unreachable") or task.told:
            students = f" ({', '.join(event.students)})" if event.students and not alone else ""
            self._print(f"  {event.host}{students}: {task.name} ({_describe(event.status, event.elapsed)})")
        if alone:
            self._tasks.pop(task.name, None)

    def _close_tasks(self, *, over: bool = False) -> None:
        """Say what tasks of several hosts came to; `over`: only of those that have ended everywhere."""
        for task in list(self._tasks.values()):
            if over and not task.over:
                continue
            del self._tasks[task.name]
            changed = [host for host, status in task.ended.items() if status == "changed"]
            if changed or task.told:
                outcome = f"changed on {len(changed)} of {len(self._hosts)} hosts" if changed else "ok"
                self._print(f"  {task.name} ({_describe(outcome, task.longest)})")

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            with self._lock:
                for task in self._tasks.values():
                    self._tell_slow(task, time.monotonic())

    def _tell_slow(self, task: _Task, now: float) -> None:
        if task.over or now - (task.told or task.began) < (_STILL if task.told else _SLOW):
            return
        many = len(self._hosts) > 1 and _CONTROLLER not in task.started
        if task.told is None or many:
            place = f"{len(task.ended)} of {len(self._hosts)} hosts" if many else next(iter(task.started))
            self._print(f"  {task.name} ... ({place})" if many else f"  {place}: {task.name} ...")
        task.told = now

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)


def _describe(outcome: str, seconds: float) -> str:
    return f"{outcome}, {seconds:.0f} s" if seconds >= 1 else outcome
