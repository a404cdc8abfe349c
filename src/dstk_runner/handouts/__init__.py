"""What the instructor hands out and looks at: a page a student, a file for a mail merge, an overview of the class."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dstk_runner.config import Config, Source, load_config
from dstk_runner.results import Deployment, Failure, explain_nothing, open_document

__all__ = ["Handouts", "write_handouts", "write_overview"]


@dataclass(frozen=True, kw_only=True)
class Handouts:
    """The files that were written, and the students who could have none."""

    deployment: str
    region: str
    files: tuple[Path, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """Every student of the class has a page, and nothing else failed."""
        return not self.failures

    def to_json(self) -> dict[str, Any]:
        """Return the document of `dstk handouts --json`."""
        return {
            **open_document(self),
            "files": [str(path) for path in self.files],
            "failures": [failure.to_json() for failure in self.failures],
        }


def write_handouts(
    deployment: Deployment, into: str | os.PathLike[str] = "handouts", *, config: Config | Source = None
) -> Handouts:
    """Write what is handed out: a page a student, all pages in one, a CSV for a mail merge, and the overview.

    The files are for their owner only (mode 0600). Each is replaced in one step; pages of students who are not in
    the class any more go. Where the configuration has a limit, only the pages of those students are written.

    Args:
        deployment: what `deploy` or `status` returned.
        into: the folder; it is made where it is not there.
        config: whose roster has the names, emails and groups: a Config, a path, a mapping, or None for ./dstk.yml.

    Raises:
        ConfigError: the configuration is wrong or of another deployment, or the folder cannot be written to.
    """
    from dstk_runner.handouts.bars import estimate_for_page
    from dstk_runner.handouts.folder import write_folder
    from dstk_runner.handouts.people import find_people

    wanted = config if isinstance(config, Config) else load_config(config)
    people = find_people(deployment, wanted)
    found = Handouts(deployment=deployment.deployment, region=deployment.region, failures=deployment.failures)
    if not deployment.notebooks:
        # the wrong region, or a bad moment: what was handed out before stays
        nothing = explain_nothing(deployment, stage="handouts")
        return replace(found, failures=found.failures or (nothing,))
    cost = estimate_for_page(wanted)
    files, failures = write_folder(Path(into), deployment, people, only_pages=bool(wanted.limit), cost=cost)
    return replace(found, files=files, failures=(*found.failures, *failures))


def write_overview(deployment: Deployment, path: str | os.PathLike[str], *, config: Config | Source = None) -> Path:
    """Write the overview of the class, one HTML file that reloads itself; it holds no password.

    Args:
        deployment: what `deploy` or `status` returned.
        path: the file; it is replaced in one step.
        config: as for `write_handouts`.

    Raises:
        ConfigError: the configuration is wrong or of another deployment, or the file cannot be written.
    """
    from dstk_runner.handouts.bars import estimate_for_page
    from dstk_runner.handouts.files import write_private
    from dstk_runner.handouts.overview import render_overview
    from dstk_runner.handouts.people import find_people

    wanted = config if isinstance(config, Config) else load_config(config)
    people = find_people(deployment, wanted)
    return write_private(Path(path), render_overview(deployment, people, cost=estimate_for_page(wanted)))
