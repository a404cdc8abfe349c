"""The class: who is in the roster, with the notebook and the failures of each."""

from __future__ import annotations

from dataclasses import dataclass

from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.results import Deployment, Failure, Notebook

__all__ = ["Person", "find_people"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """A student. Where the roster has no name, `name` is the login."""

    login: str
    name: str
    email: str = ""
    group: str = ""
    notebook: Notebook | None = None
    failures: tuple[Failure, ...] = ()

    @property
    def state(self) -> str:
        """The state of the notebook; who has none is missing it."""
        return self.notebook.state if self.notebook else "missing"

    @property
    def url(self) -> str:
        """The link, empty where there is none."""
        return self.notebook.url if self.notebook else ""

    @property
    def password(self) -> str:
        """The password, empty where it is not known."""
        return self.notebook.password if self.notebook else ""


def find_people(deployment: Deployment, wanted: Config) -> tuple[Person, ...]:
    """Return the class in the roster's order, each with the notebook that is at the person's seat.

    Raises:
        ConfigError: the configuration is of another deployment.
    """
    if wanted.deployment != deployment.deployment:
        message = f"the configuration is of {wanted.deployment}, and the notebooks are of {deployment.deployment}"
        raise ConfigError([Mistake("", "deployment", message, "give the configuration that they were made with")])
    books = {notebook.student: notebook for notebook in deployment.notebooks}
    limit = set(wanted.limit)
    rows = [row for row in wanted.members if not limit or row["student"] in limit]
    return tuple(
        Person(
            login=(login := deployment.logins.get(row["identity"], row["student"])),
            name=row["name"] or login,
            email=row["email"],
            group=row["group"],
            notebook=books.get(login),
            failures=tuple(failure for failure in deployment.failures if failure.student == login),
        )
        for row in rows
    )
