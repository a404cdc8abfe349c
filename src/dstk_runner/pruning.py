"""Who is no longer in the roster is removed, after the work has been archived on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dstk_runner.config import Config
from dstk_runner.outcome import read_failures
from dstk_runner.results import Failure
from dstk_runner.roll import call_roll

if TYPE_CHECKING:
    from dstk_runner.playbooks import PlaybookResult

__all__ = ["Pruned", "prune"]


@dataclass(frozen=True)
class Pruned:
    """Who was removed, with the archive of each one's work, and why others were not."""

    archives: Mapping[str, Path] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()


def prune(config: Config, run: Callable[[], PlaybookResult], log: Path) -> Pruned:
    """Remove who has gone.

    Args:
        config: with the class as it is now.
        run: runs the playbook; it is not called where nobody has gone.
        log: that of the run.

    Raises:
        DstkError: AWS could not be asked.
    """
    before = call_roll(config)
    if not before.gone:
        return Pruned()
    failures = read_failures(config, run(), before, log)
    left = call_roll(config).gone
    told = {failure.student for failure in failures}
    stopped = [_explain(student, host) for student, host in left.items() if not told & {student, None}]
    folder = config.folder / "archive"
    archives = {student: folder / f"{student}.tar.gz" for student in before.gone if student not in left}
    return Pruned(archives, (*failures, *stopped))


def _explain(student: str, host: str) -> Failure:
    message = f"{student} still has a seat: {host} does not run, so the work there cannot be archived"
    return Failure(stage="prune", host=host, student=student, message=message, fix=f"start {host}, then run this again")
