"""Work with the notebooks of a class: send, collect, run, takehome, export, recover, pull. All, or some by `limit`.

Each takes what `deploy` takes, and raises what it raises. What fails for a student or a host is in the result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from dstk_runner.classwork import (
    A,
    Archive,
    Classwork,
    Collected,
    Exported,
    Output,
    Pulled,
    Recovered,
    Sent,
    read_answer,
)
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.events import OnEvent
from dstk_runner.results import explain_nothing
from dstk_runner.session import Request, add_to_run, open_request, run_for

if TYPE_CHECKING:
    from dstk_runner.config import Config

__all__ = ["collect", "export", "pull", "recover", "run", "send", "takehome"]

SNAPSHOT = re.compile(r"latest|snap-[0-9a-f]{8,17}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{2,62}(/|$)")

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def send(
    paths: Paths,
    config: Request = None,
    *,
    to: str = "",
    overwrite: bool = False,
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Classwork[Sent]:
    """Put files and folders into every home, never over what a student has edited.

    Args:
        paths: one or several; each arrives under its own name.
        config: what `deploy` takes.
        to: the folder in the homes; empty is the home itself.
        overwrite: write over edits, too.
        limit: logins; only these students are served. Empty means all.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    given = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    found = [Path(path).expanduser().absolute() for path in given]
    mistakes = [Mistake("", str(path), "there is no such file or folder") for path in found if not path.exists()]
    if not found:
        mistakes.append(Mistake("", "", "there is nothing to send", "name a file or a folder"))
    mistakes += _find_mistakes("--to", to, home=True)
    variables = {
        "notebook_files_paths": [str(path) for path in found],
        "notebook_files_folder": to,
        "notebook_files_overwrite": overwrite,
    }
    return _work("send", Sent, mistakes, variables, config, add_to_run(overrides, limit), on_event)


def collect(
    path: str,
    config: Request = None,
    *,
    into: str | os.PathLike[str] = "collected",
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Classwork[Collected]:
    """Fetch a file or folder of every home into `<into>/<student>/<path>`.

    What is the same there is not fetched again. What differs is kept, with the time in its name. Takes what `send`
    takes.
    """
    variables = {"notebook_files_path": path, "notebook_files_into": str(Path(into).expanduser().absolute())}
    mistakes = _find_mistakes("PATH", path)
    return _work("collect", Collected, mistakes, variables, config, add_to_run(overrides, limit), on_event)


def run(
    command: str | Iterable[str],
    config: Request = None,
    *,
    timeout: float = 300,
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Classwork[Output]:
    """Run a command in every notebook, as its user in the home.

    A command that ends badly is a failure of that student, and its output is there all the same; of each output, the
    last 16 KiB are. Takes what `send` does.

    Args:
        command: a line for the shell, or a command and its arguments.
        config: what `deploy` takes.
        timeout: seconds after which the command is ended.
        limit: logins; only these students are served. Empty means all.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    words = [command] if isinstance(command, str) else list(command)
    mistakes = [] if "".join(words).strip() else [Mistake("", "COMMAND", "there is no command", "dstk run -- pip list")]
    if timeout <= 0:
        mistakes.append(Mistake("", "--timeout", f"{timeout:g} s is no time", "give it a second or more"))
    variables = {"notebook_files_command": words, "notebook_files_timeout": timeout}
    return _work("run", Output, mistakes, variables, config, add_to_run(overrides, limit), on_event)


def takehome(
    config: Request = None,
    *,
    into: str | os.PathLike[str] = "takehome",
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Classwork[Archive]:
    """Make an archive a student, `<into>/<student>.tar.gz`, and SHA256SUMS, both closed to others.

    Caches stay out. Takes what `send` does.
    """
    variables = {"notebook_files_into": str(Path(into).expanduser().absolute())}
    return _work("takehome", Archive, [], variables, config, add_to_run(overrides, limit), on_event)


def export(
    config: Request = None,
    *,
    to: str | os.PathLike[str] = "export",
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Classwork[Exported]:
    """Pack every home whole, as `<to>/<student>.tar.zst`.

    Takes what `send` does.

    Args:
        config: what `deploy` takes.
        to: a folder of this machine, or a bucket and what the names in it begin with: `s3://bucket/csx450`.
        limit: logins; only these students are served. Empty means all.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    place = os.fspath(to)
    mistakes = []
    if place.startswith("s3:"):
        if not _BUCKET.match(place):
            mistakes.append(Mistake("", "--to", f"{place} names no bucket", "write such as s3://bucket/csx450"))
    else:
        place = str(Path(place).expanduser().absolute())
    variables = {"notebook_files_into": place}
    return _work("export", Exported, mistakes, variables, config, add_to_run(overrides, limit), on_event)


def recover(
    snapshot: str = "latest",
    config: Request = None,
    *,
    limit: Iterable[str] = (),
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Classwork[Recovered]:
    """Copy homes of a backup into a folder of each home of now, and touch nothing that is there.

    Takes what `send` does. `restore` is for whole volumes.

    Args:
        snapshot: its id, or `latest` for the newest of each host.
        config: what `deploy` takes.
        limit: logins; only these students are served. Empty means all.
        on_event: called for every step, in the caller's thread.
        **overrides: keys of the configuration.
    """
    mistakes = []
    if not SNAPSHOT.fullmatch(snapshot):
        mistakes.append(Mistake("", "SNAPSHOT", f"{snapshot} names no snapshot", "dstk backup --list shows them"))
    variables = {"dstk_snapshot": snapshot}
    return _work("restore_home", Recovered, mistakes, variables, config, add_to_run(overrides, limit), on_event)


def pull(
    config: Request = None, *, limit: Iterable[str] = (), on_event: OnEvent | None = None, **overrides: Any
) -> Classwork[Pulled]:
    """Bring the news of `course_repo` into every home, by nbgitpuller: what a student has edited stays.

    Takes what `send` does.
    """
    return _work("pull", Pulled, [], {}, config, add_to_run(overrides, limit), on_event)


def _work(
    name: str,
    kind: type[A],
    mistakes: list[Mistake],
    variables: Mapping[str, Any],
    config: Request,
    overrides: Mapping[str, Any],
    on_event: OnEvent | None,
) -> Classwork[A]:
    """Run a playbook, and return the answers and the failures, student by student."""
    from dstk_runner.outcome import find_missing, read_failures
    from dstk_runner.roll import call_roll
    from dstk_runner.state import new_log

    if mistakes:
        raise ConfigError(mistakes)
    with open_request(config, overrides, on_event) as wanted:
        _check_course(name, wanted)
        roll = call_roll(wanted)
        if not roll.hosts:
            nothing = explain_nothing(wanted, stage=name)
            return Classwork(deployment=wanted.deployment, region=wanted.region, failures=(nothing,))
        log = new_log(wanted, name)
        result = run_for(name, wanted, on_event, log, extra=variables)
        rows: Mapping[str, Mapping[str, Any]] = result.stats.get("dstk_answers", {})
        failures = read_failures(wanted, result, roll, log)
        failures += find_missing(wanted, roll, rows, failures)
        return Classwork(
            deployment=wanted.deployment,
            region=wanted.region,
            answers=tuple(read_answer(kind, student, rows[student]) for student in sorted(rows, key=roll.find_place)),
            failures=tuple(sorted(failures, key=lambda failure: roll.find_place(failure.student))),
            log=log,
        )


def _check_course(name: str, config: Config) -> None:
    if name == "pull" and not config.course_repo:
        raise ConfigError([Mistake("", "course_repo", "there is no course to pull", "set course_repo in dstk.yml")])


def _find_mistakes(name: str, path: str, *, home: bool = False) -> list[Mistake]:
    """Return what is wrong with a place in the homes."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path.startswith("~") or "\0" in path:
        return [Mistake("", name, f"{path} leads out of the home", "name it as seen from the home, such as week1")]
    if str(pure) == "." and not home:
        return [Mistake("", name, "this is the whole home", "name a folder in it, or use `dstk takehome`")]
    return []
