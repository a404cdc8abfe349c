"""The folder of handouts: what is in it, and what goes from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dstk_runner.costs import Cost
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.handouts.files import ensure_folder, write_private
from dstk_runner.handouts.mail_merge import render_mail_merge
from dstk_runner.handouts.overview import render_overview
from dstk_runner.handouts.pages import MARK, render_pages
from dstk_runner.handouts.people import Person
from dstk_runner.results import Deployment, Failure

__all__ = ["MAIL_MERGE", "OVERVIEW", "PRINT_ALL", "STUDENTS", "write_folder"]

# a file with passwords says so in its name, where it cannot say so in its text
STUDENTS = "students"
PRINT_ALL = "print-all-with-passwords.html"
MAIL_MERGE = "mail-merge-with-passwords.csv"
OVERVIEW = "class.html"


def write_folder(
    folder: Path,
    deployment: Deployment,
    people: tuple[Person, ...],
    *,
    only_pages: bool = False,
    cost: Cost | None = None,
) -> tuple[tuple[Path, ...], tuple[Failure, ...]]:
    """Write all handouts, and remove the pages of those who have none; return the files, and who was left out why.

    With `only_pages` these people are not the whole class: nothing is written for the class, and no page goes.

    Raises:
        ConfigError: the folder cannot be written to.
    """
    ready = [person for person in people if person.url and person.password]
    if not folder.exists():
        # passwords do not end in a repository by a `git add .`
        write_private(ensure_folder(folder) / ".gitignore", "*\n")
    pages = ensure_folder(folder / STUDENTS)
    authority = _copy_authority(folder, deployment)

    def render(students: Sequence[Person]) -> str:
        name = authority.name if authority else ""
        return render_pages(students, deployment=deployment.deployment, tls=deployment.tls, authority=name)

    written = [write_private(pages / f"{person.login}.html", render([person])) for person in ready]
    if not only_pages:
        _remove_others(pages, keep={path.name for path in written})
        written += [
            write_private(folder / PRINT_ALL, render(ready)),
            write_private(folder / MAIL_MERGE, render_mail_merge(ready)),
            write_private(folder / OVERVIEW, render_overview(deployment, people, cost=cost)),
        ]
    if authority:
        written.append(authority)
    lacking = [person for person in people if person not in ready and not person.failures]
    return tuple(written), tuple(_explain(person) for person in lacking)


def _copy_authority(folder: Path, deployment: Deployment) -> Path | None:
    """Put what browsers have to trust beside the pages, under a name that systems know how to open."""
    if not (deployment.tls and deployment.tls.ca_file and deployment.tls.ca_file.is_file()):
        return None
    text = deployment.tls.ca_file.read_text(encoding="utf-8")
    return write_private(folder / f"{deployment.deployment}-authority.crt", text)


def _remove_others(pages: Path, *, keep: set[str]) -> None:
    """Remove the pages that dstk once wrote here and did not write now; other files stay."""
    for path in pages.glob("*.html"):
        if path.name in keep or not path.is_file():
            continue
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                ours = MARK in file.read(1000)
            if ours:
                path.unlink()
        except OSError as error:
            message = f"this page of somebody who has none any more cannot be removed: {error.strerror}"
            raise ConfigError([Mistake(str(path), "", message, "remove it by hand")]) from error


def _explain(person: Person) -> Failure:
    message = f"there is no link to hand out: the notebook is {person.state}"
    fix = f"`dstk up`, then `dstk handouts` again: it adds {person.login}"
    return Failure(stage="handouts", student=person.login, message=message, fix=fix)
