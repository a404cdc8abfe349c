"""What a run of a playbook came to, student by student."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstk_runner.config import Config
from dstk_runner.recorder import SUMMARIES
from dstk_runner.results import Deployment, Failure, Idle, Notebook, Tls
from dstk_runner.roll import Roll
from dstk_runner.state import find_authorities, read_password

if TYPE_CHECKING:
    from dstk_runner.playbooks import PlaybookResult

__all__ = ["find_missing", "find_troubles", "read_deployment", "read_failures", "read_idle", "read_tls"]

_FIELDS = frozenset(item.name for item in fields(Notebook)) - {"password"}

# What a notebook's state means, and what mends it; the other states are well.
_TROUBLES = {
    "failed": ("the notebook's container does not work", "`dstk logs` shows why; `dstk up` repairs what it can"),
    "missing": ("the instance has no notebook", "dstk up"),
    "unreachable": (
        "the instance runs, and SSH does not reach it",
        "`dstk up` lets your address of today in; `dstk doctor` tells whether SSH gets out of this network",
    ),
}


def read_deployment(config: Config, result: PlaybookResult, roll: Roll, log: Path) -> Deployment:
    """Return the notebooks, the failures and the gone of a run.

    A student who has neither notebook nor failure is a failure too: what was asked for is not there.
    """
    wanted = dict.fromkeys(_find_wanted(config, roll))
    rows: Mapping[str, Mapping[str, Any]] = result.stats.get("dstk_notebooks", {})
    notebooks = [_read_notebook(row) for row in rows.values() if row["student"] in wanted.keys() - roll.gone.keys()]
    failures = list(read_failures(config, result, roll, log))
    failures += find_missing(config, roll, (notebook.student for notebook in notebooks), failures)
    return Deployment(
        deployment=config.deployment,
        region=config.region,
        notebooks=tuple(sorted(notebooks, key=lambda notebook: roll.find_place(notebook.student))),
        failures=tuple(sorted(failures, key=lambda failure: roll.find_place(failure.student))),
        gone=dict(sorted(roll.gone.items())),
        logins={row["identity"]: login for row, login in zip(config.members, roll.students, strict=True)},
        tls=read_tls(config, result.stats.get("dstk_tls", {})),
        names_by_hand=dict(sorted(result.stats.get("dstk_names", {}).get("by_hand", {}).items())),
        until=roll.until,
        budget_spent=result.stats.get("dstk_end", {}).get("budget_spent"),
        idle=read_idle(result.stats.get("dstk_idle", {})),
        image=dict(result.stats.get("dstk_image", {})),
        changed=len(result.changes),
        log=log,
    )


def read_idle(told: Mapping[str, Mapping[str, Any]]) -> tuple[Idle, ...]:
    """Return why each host is up, or was stopped, by what it told or EC2 did."""
    rows = ((host, told[host]) for host in sorted(told))
    return tuple(
        Idle(
            instance_id=host,
            **{key: str(row.get(key) or "") for key in ("state", "since", "stops_at", "looked_at")},
            late=bool(row.get("late")),
            why={str(student): str(text) for student, text in (row.get("why") or {}).items()},
        )
        for host, row in rows
    )


def read_tls(config: Config, told: Mapping[str, Mapping[str, str]]) -> Tls | None:
    """Return whose certificates a deployment has, by what its hosts told; None where none of them did."""
    if not told:
        return None
    private = [row for row in told.values() if row["mode"] != "acme"]
    if not private:
        return Tls(mode="acme")
    reasons = dict.fromkeys(row["reason"] for row in private if row["reason"])
    found = find_authorities(config)
    file, digest = found if found else (None, None)
    return Tls(mode="private", ca_file=file, sha256=digest, reason="; ".join(reasons))


def read_failures(config: Config, result: PlaybookResult, roll: Roll, log: Path) -> tuple[Failure, ...]:
    """Return what failed, each with its student and a remedy.

    What single students failed at is told by the roles. The failure of a host is one of each of its students, and a
    failure before any host is everybody's: of the one student, where there is one.
    """
    told: Mapping[str, Mapping[str, Any]] = result.stats.get("dstk_failures", {})
    found = [_read_failure(student, row) for student, row in told.items()]
    for failure in result.failures:
        if told and str(failure.task).endswith(SUMMARIES):
            continue
        students: tuple[str | None, ...] = roll.hosts.get(failure.host or "", ())
        if not students:
            students = (roll.students[0] if len(roll.students) == 1 else None,)
        found += [replace(failure, student=student) for student in students]
    wanted = (None, *_find_wanted(config, roll), *roll.gone) if config.limit else ()
    return tuple(
        replace(failure, fix=failure.fix or f"{log} tells more; the same command, run again, goes on from there")
        for failure in found
        if not wanted or failure.student in wanted
    )


def find_missing(config: Config, roll: Roll, told: Iterable[str], failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return a failure of each student of whom nothing is told, unless something failed for all."""
    known = {*told, *(failure.student for failure in failures)}
    if None in known:
        return ()
    wanted = dict.fromkeys(_find_wanted(config, roll))
    return tuple(_explain_missing(student) for student in wanted if student not in known)


def find_troubles(notebooks: Iterable[Notebook]) -> Iterator[Failure]:
    """Tell of each notebook that does not work, for a run that only looked."""
    for notebook in notebooks:
        if notebook.state in _TROUBLES:
            message, fix = _TROUBLES[notebook.state]
            yield Failure(stage="status", host=notebook.instance_id, student=notebook.student, message=message, fix=fix)


def _find_wanted(config: Config, roll: Roll) -> tuple[str, ...]:
    """Return the students on whom the run acts."""
    chosen = {row["student"] for row in config.members} & set(config.limit)
    named = zip(config.members, roll.students, strict=True)
    return tuple(student for row, student in named if not chosen or row["student"] in chosen)


def _read_notebook(row: Mapping[str, Any]) -> Notebook:
    values = {key: row[key] for key in _FIELDS if key in row}
    return Notebook(password=read_password(row["password_file"]), **values)


def _read_failure(student: str, row: Mapping[str, Any]) -> Failure:
    texts = {key: str(row.get(key) or "") for key in ("message", "fix", "stage")}
    return Failure(**texts, task=row.get("task") or None, host=row.get("host") or None, student=student)


def _explain_missing(student: str) -> Failure:
    return Failure(stage="status", student=student, message=f"{student} has no notebook", fix="dstk up")
