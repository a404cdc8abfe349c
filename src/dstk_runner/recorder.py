"""ansible-runner's raw events, turned into dstk's own types while they come in. Nothing else knows their shape."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from dstk_runner.events import Event, Status
from dstk_runner.remedies import parse_message
from dstk_runner.results import Change, Failure

__all__ = ["SUMMARIES", "Recorder"]

SUMMARIES = (
    "Every notebook is well",
    "Every student has a seat",
    "Every name leads to its notebook",
    "Every instance that was named is stopped",
    "Every instance that was named has the type",
)
"""The tasks that end a play in which single students failed; the roles tell of each of those by name."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_STARS = re.compile(r" \*{3,}$")
_RESULTS: dict[str, Status] = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
    "runner_on_start": "started",
}


@dataclass
class Recorder:
    """Everything one run has told so far."""

    log: TextIO
    stats: dict[str, Any] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    _stage: str = ""
    _opening: bool = False
    _students: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _ailing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _last: dict[str, Failure] = field(default_factory=dict)
    _failed: set[str] | None = None
    _items: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _complaints: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def record(self, raw: Mapping[str, Any]) -> tuple[Event, ...]:
        """Take in one raw event; return the events to show. A play starts with its first host, if it has one."""
        self._write(raw)
        kind, data = raw.get("event", ""), raw.get("event_data", {})
        if kind == "playbook_on_play_start":
            self._stage = str(data.get("name") or data.get("play") or "").lower()
            self._opening = True
        elif kind == "playbook_on_no_hosts_matched":
            self.unmatched.append(self._stage)
        elif kind == "playbook_on_stats":
            self._close(data)
        elif kind == "runner_item_on_failed":
            # the loop's own result says no more than that one of them failed
            self._items[str(data.get("host", ""))] = data.get("res") or {}
        elif kind in _RESULTS:
            opening = (self._tell(),) if self._opening else ()
            self._opening = False
            return *opening, self._record_result(_RESULTS[kind], data)
        return ()

    def find_failures(self, *, rc: int) -> tuple[Failure, ...]:
        """Return what failed in the end: a failure that a rescue mended is none."""
        if rc == 0:
            return ()
        hosts = self._last if self._failed is None else self._failed
        failures = [self._last[host] for host in self._last if host in hosts]
        if failures:
            return tuple(failures)
        # the play did not get as far as a host: a syntax error, an inventory that cannot be read
        message, fix = parse_message("\n".join(self._complaints[-3:]) or f"Ansible ended with code {rc}")
        return (Failure(stage=self._stage or "ansible", message=message, fix=fix),)

    def _record_result(self, status: Status, data: Mapping[str, Any]) -> Event:
        host, task = str(data.get("host", "")), str(data.get("task", ""))
        result = data.get("res") or {}
        message = ""
        if status in ("failed", "unreachable"):
            message, fix = parse_message(_find_text(self._items.get(host, result) if "results" in result else result))
            if data.get("ignore_errors"):
                status = "ok"
            else:
                stage = "unreachable" if status == "unreachable" and not self._stage else self._stage
                self._last[host] = Failure(stage=stage, task=task, host=host, message=message, fix=fix)
        elif status == "ok" and result.get("changed"):
            status = "changed"
            self.changes.append(Change(host=host, task=task))
        self._note_students(result)
        event = self._tell(host=host, task=task, status=status, message=message)
        return replace(event, elapsed=float(data.get("duration") or 0.0)) if status != "started" else event

    def _note_students(self, result: Mapping[str, Any]) -> None:
        """Learn from what a role publishes whose notebooks are on which host, and who has failed there."""
        data = (result.get("ansible_stats") or {}).get("data") or {}
        hosts, failures = data.get("dstk_hosts") or {}, data.get("dstk_failures") or {}
        self._students |= {host: tuple(facts.get("students") or ()) for host, facts in hosts.items()}
        for student, failure in failures.items():
            host = str(failure.get("host") or "")
            self._ailing[host] = (*self._ailing.get(host, ()), student)

    def _close(self, data: Mapping[str, Any]) -> None:
        self._failed = {
            host for name in ("failures", "dark") for host, count in (data.get(name) or {}).items() if count
        }
        self.hosts |= set(data.get("processed") or {})
        self.stats.update(data.get("artifact_data") or {})

    def _tell(
        self, *, host: str | None = None, task: str | None = None, status: Status = "started", message: str = ""
    ) -> Event:
        elapsed = time.monotonic() - self._began
        concerned = self._ailing if status == "failed" and str(task).endswith(SUMMARIES) else self._students
        students = concerned.get(host or "", ())
        return Event(
            stage=self._stage,
            host=host,
            task=task,
            status=status,
            elapsed=elapsed,
            message=message,
            students=students,
        )

    def _write(self, raw: Mapping[str, Any]) -> None:
        text = _COLOUR.sub("", str(raw.get("stdout") or ""))
        if not text.strip():
            return
        for line in text.replace("\r", "").splitlines():
            # the time is worth more than stars up to the edge of the screen
            self.log.write(_STARS.sub(time.strftime(" %H:%M:%S"), line) + "\n")
            if line.startswith(("[ERROR]", "ERROR!", "Fix: ")):
                self._complaints.append(line.removeprefix("[ERROR]:").removeprefix("ERROR!").strip())
        self.log.flush()


def _find_text(result: Mapping[str, Any]) -> str:
    """Return the words in a failed result that say most."""
    if "censored" in result:
        return "its output is hidden because it holds a secret"
    message = result.get("msg", "")
    text = "\n".join(map(str, message)) if isinstance(message, list) else str(message)
    if not text or text.startswith(("non-zero return code", "MODULE FAILURE")):
        for key in ("stderr", "module_stderr", "stdout"):
            if words := str(result.get(key) or "").strip():
                return "\n".join(words.splitlines()[-3:])
    return text
