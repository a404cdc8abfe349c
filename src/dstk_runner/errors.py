"""Every way in which dstk can fail.

DstkError                 something failed; exit code 1
├── ConfigError           the request itself was wrong, nothing was touched; exit code 2
├── CredentialsError      AWS does not know or does not admit the caller
├── BusyError             another run of this deployment is going on
├── RunError              a playbook, or a call to AWS, failed
└── Interrupted           the user ended the run; exit code 130
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class DstkError(Exception):
    """What happened (`message`) and the command or edit that mends it (`fix`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, fix: str = "") -> None:
        """Take one sentence for each; neither ends in a full stop."""
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        """Return the message, and on a second line the fix."""
        return f"{self.message}\nFix: {self.fix}" if self.fix else self.message


@dataclass(frozen=True)
class Mistake:
    """One wrong thing in a request: `where` is a file with its line, a variable of the environment or a flag."""

    where: str
    field: str
    message: str
    fix: str = ""

    def __str__(self) -> str:
        """Return it as one line, in the form editors know how to jump to."""
        text = ": ".join(part for part in (self.where, self.field, self.message) if part)
        return f"{text} ({self.fix})" if self.fix else text


class ConfigError(DstkError):
    """The request was wrong: `mistakes` names all that is wrong with it, not only the first."""

    exit_code: ClassVar[int] = 2

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        """Take all mistakes that were found, in the order in which they are to be read."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class CredentialsError(DstkError):
    """AWS does not know or does not admit the caller."""


class BusyError(DstkError):
    """Another run of this deployment is going on on this machine."""


class RunError(DstkError):
    """A playbook, or a call to AWS, failed."""


class Interrupted(DstkError):  # noqa: N818 - an interruption is the user's wish, not an error
    """The user ended the run. Running the same command again finishes the job."""

    exit_code: ClassVar[int] = 130
