"""Made-up classes: what `dstk status` would have seen, without anything being there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dstk_runner.config import Config, load_config
from dstk_runner.results import Deployment, Failure, Notebook

#: A well notebook, as it was seen at noon.
WELL = Notebook(
    student="ada",
    url="https://203.0.113.7/ada/lab",
    password="aB3xKq9LmZ0OlI17TtRrWw2e",  # noqa: S106 - a test's own
    instance_id="i-1",
    address="203.0.113.7",
    state="ready",
    container="dstk-ada",
    last_activity="2026-11-25T11:56:00Z",
    memory_used=812 << 20,
    memory_limit=2 << 30,
    disk_used=1331 << 20,
    disk_free=18 << 30,
)


def notebook(student: str, **fields: Any) -> Notebook:
    """A notebook of this student that is well, but for the given fields."""
    names = {"student": student, "container": f"dstk-{student}", "password": f"secret-of-{student}"}
    return replace(WELL, **{**names, "url": f"https://203.0.113.7/{student}/lab?of={student}", **fields})


def seen(*notebooks: Notebook, failures: tuple[Failure, ...] = ()) -> Deployment:
    """The class csx450 with these notebooks."""
    return Deployment(deployment="csx450", region="us-west-2", notebooks=notebooks, failures=failures)


def wanted(*students: str | dict[str, str], **keys: Any) -> Config:
    """The configuration of the class csx450 with these students."""
    return load_config({"deployment": "csx450", "students": list(students)}, overrides=keys)
