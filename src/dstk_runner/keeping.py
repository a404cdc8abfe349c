"""Backups of homes: `backup`, `find_backups`, `restore`, each with what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dstk_runner import api
from dstk_runner.classroom import SNAPSHOT
from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.events import OnEvent
from dstk_runner.outcome import read_failures
from dstk_runner.results import Deployment, Failure, Json, open_document
from dstk_runner.session import Request, call_roll_after, open_request, run_for

__all__ = ["Backup", "Backups", "Restoration", "Restored", "backup", "find_backups", "restore"]

LATEST = "latest"


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A snapshot. `homes` is a student, or a host that several share; `kind` is backup, or final of `destroy`.

    `size` is the volume's in GB, `started` a moment in ISO 8601, UTC, `expires` a date, empty where AWS counts.
    """

    id: str
    homes: str
    kind: str
    size: int
    started: str
    expires: str = ""


@dataclass(frozen=True, kw_only=True)
class Backups:
    """The backups that were made, or that are there, and the snapshots that were deleted because they were too many."""

    deployment: str
    region: str
    backups: tuple[Backup, ...] = ()
    deleted: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk backup --json`."""
        return {
            **open_document(self),
            "backups": [asdict(item) for item in self.backups],
            "deleted": list(self.deleted),
            "failures": [failure.to_json() for failure in self.failures],
        }


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Homes as they were: by which snapshot, on which volume; `replaced` is the one of before, if there was one."""

    homes: str
    snapshot: str
    volume: str
    zone: str
    replaced: str = ""


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """What was restored, and the deployment after its hosts have started again; None where none ran.

    `skipped` says by homes why they stay as they are: the snapshot is of other people, or nobody has them any more.
    """

    deployment: str
    region: str
    restored: tuple[Restored, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    started: Deployment | None = None
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk restore --json`."""
        notebooks = self.started.to_json()["notebooks"] if self.started else []
        return {
            **open_document(self),
            "restored": [asdict(item) for item in self.restored],
            "skipped": dict(self.skipped),
            "notebooks": notebooks,
            "failures": [failure.to_json() for failure in self.failures],
        }


def backup(
    config: Request = None, *, keep: int | None = None, on_event: OnEvent | None = None, **overrides: Any
) -> Backups:
    """Make a snapshot of every volume with homes, and wait until they are whole. Raises what `deploy` does.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        keep: how many are kept of each volume; else `schedule_backup` says so, or 7.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    if keep is not None and keep < 1:
        raise ConfigError([Mistake("", "--keep", f"{keep} is no number of backups", "keep one or more")])
    return _look_after({"dstk_keep": keep} if keep else {}, config, overrides, on_event)


def find_backups(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Backups:
    """Say which backups there are; change nothing. Takes and raises what `backup` does."""
    return _look_after({"dstk_list": True}, config, overrides, on_event)


def _look_after(
    extra: Mapping[str, Any], config: Request, overrides: Mapping[str, Any], on_event: OnEvent | None
) -> Backups:
    from dstk_runner.state import new_log

    with open_request(config, overrides, on_event) as wanted:
        log = new_log(wanted, "backup")
        result = run_for("backup", wanted, on_event, log, extra=extra)
        told: Mapping[str, Any] = result.stats.get("dstk_backups", {})
        return Backups(
            deployment=wanted.deployment,
            region=wanted.region,
            backups=tuple(Backup(**row) for row in told.get("snapshots", ())),
            deleted=tuple(told.get("deleted", ())),
            failures=_find_failures(wanted, result, log),
            log=log,
        )


def restore(
    snapshot: str = LATEST, config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any
) -> Restoration:
    """Let homes be as they were in a snapshot. Raises what `deploy` does.

    The volume that has them now is kept. Hosts that run are stopped for it and started again, with new addresses; where
    there is no host, the next `deploy` makes it with these homes. Homes of other people than sit there now are skipped;
    what fails at one home fails at no other.

    Args:
        snapshot: its id, or `latest` for the newest of each volume.
        config: what `backup` takes.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    from dstk_runner.state import hold_lock, new_log

    if not SNAPSHOT.fullmatch(snapshot):
        raise ConfigError([Mistake("", "SNAPSHOT", f"{snapshot} names no snapshot", "dstk backup --list shows them")])
    with open_request(config, overrides, on_event) as wanted:
        with hold_lock(wanted, "restore") as run:
            log = new_log(wanted, "restore")
            result = run_for("restore", wanted, on_event, log, run_id=run, extra={"dstk_snapshot": snapshot})
        told: Mapping[str, Any] = result.stats.get("dstk_restored", {})
        done = Restoration(
            deployment=wanted.deployment,
            region=wanted.region,
            restored=tuple(Restored(**row) for row in told.get("homes", ())),
            skipped=dict(sorted(told.get("skipped", {}).items())),
            failures=_find_failures(wanted, result, log),
            log=log,
        )
        if not told.get("stopped"):
            return done
        # only those that ran
        hosts = call_roll_after(wanted).hosts
        students = [student for host in told["stopped"] for student in hosts.get(host, ())]
        started = api.start(wanted, limit=students, on_event=on_event)
        return replace(done, started=started, failures=done.failures + started.failures, log=started.log)


def _find_failures(config: Config, result: Any, log: Path) -> tuple[Failure, ...]:
    return read_failures(config, result, call_roll_after(config), log) if result.failures else ()
