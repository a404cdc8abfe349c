"""What the notebooks of a class answered, and the one document that it is as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from dstk_runner.results import Failure, Json, open_document

__all__ = ["Archive", "Classwork", "Collected", "Exported", "Output", "Pulled", "Recovered", "Sent", "read_answer"]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What became of the files in one home. Names are of each kind the first hundred; `counts` has them all.

    `kept` are those that the student has edited, and that stayed as they are.
    """

    student: str
    sent: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was fetched of one student.

    `state` is fetched, unchanged (what is here is the same) or missing (the student has no such thing). `earlier` names
    what was here and differs, kept beside it. `left_out` are links, devices and the like, the first twenty.
    """

    student: str
    state: str
    path: Path | None = None
    files: int = 0
    earlier: str = ""
    left_out: tuple[str, ...] = ()
    left_out_count: int = 0


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command ended in one notebook. `stdout_cut` and `stderr_cut` are bytes left out at the beginning."""

    student: str
    rc: int
    stdout: str = ""
    stderr: str = ""
    stdout_cut: int = 0
    stderr_cut: int = 0


@dataclass(frozen=True, kw_only=True)
class Archive:
    """One student's archive, checked to its end. `earlier` names another of before, kept beside it. Size in bytes."""

    student: str
    path: Path
    sha256: str
    size: int
    files: int = 0
    state: str = "fetched"
    earlier: str = ""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One student's whole home as a tar.zst, checked to its end. `place` is a path, or an object as `s3://bucket/key`."""

    student: str
    place: str
    sha256: str
    size: int
    files: int = 0
    state: str = "fetched"
    earlier: str = ""


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """The commit that one student's course is at."""

    student: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """The folder of one student's home that has the home of a backup."""

    student: str
    folder: str


A = TypeVar("A", Sent, Collected, Output, Archive, Exported, Pulled, Recovered)


@dataclass(frozen=True, kw_only=True)
class Classwork(Generic[A]):
    """What the notebooks of a class answered, by student: `work["student01"]`."""

    deployment: str
    region: str
    answers: tuple[A, ...] = ()
    failures: tuple[Failure, ...] = ()
    log: Path | None = None

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failures

    def __getitem__(self, student: str) -> A:
        """Return the answer of one student's notebook."""
        return {answer.student: answer for answer in self.answers}[student]

    def __iter__(self) -> Iterator[A]:
        """Go through the answers, in the order of the roster."""
        return iter(self.answers)

    def __len__(self) -> int:
        """Count the answers."""
        return len(self.answers)

    def to_json(self) -> Json:
        """Return the document of the command with `--json`."""
        return {
            **open_document(self),
            "answers": [_plain(asdict(answer)) for answer in self.answers],
            "failures": [failure.to_json() for failure in self.failures],
        }


def read_answer(kind: type[A], student: str, row: Mapping[str, Any]) -> A:
    """Return an answer as the role notebook_files published it."""
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    if kind is Exported:
        values["place"] = values.pop("path")
    elif "path" in values:
        values["path"] = Path(values["path"]) if values["path"] else None
    return kind(**{**values, "student": student})


def _plain(row: Mapping[str, Any]) -> Json:
    return {key: str(value) if isinstance(value, Path) else value for key, value in row.items()}
