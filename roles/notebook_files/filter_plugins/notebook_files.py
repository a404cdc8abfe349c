"""Filters of the notebook_files role: who takes part, what names a place in a home, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any


def select_notebooks(notebooks: Sequence[Mapping[str, Any]], students: Sequence[str]) -> list[dict[str, str]]:
    """Answer student and container of the notebooks that take part.

    Args:
        notebooks: all of the host.
        students: who takes part; a star means all.
    """
    return [
        {"student": notebook["student"], "container": f"dstk-{notebook['student']}"}
        for notebook in notebooks
        if notebook.get("student") and ("*" in students or notebook["student"] in students)
    ]


def find_place(path: str) -> str:
    """Answer a path in a home in its plain form; empty for the home itself, and for what leads out of it."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or path.startswith("~") or "\0" in path:
        return ""
    return "" if str(pure) == "." else str(pure)


def list_failures(failures: Mapping[str, Mapping[str, str]], host: str, task: str) -> dict[str, dict[str, str]]:
    """Answer the failures of a host's students as `dstk_failures` has them.

    Args:
        failures: message and fix, by student.
        host: the host's name.
        task: what was done, which is the stage, too.
    """
    return {
        student: {"host": host, "student": student, "stage": task, "task": task, **failure}
        for student, failure in failures.items()
    }


def list_stopped(notebooks: Sequence[Mapping[str, str]], state: str) -> dict[str, dict[str, str]]:
    """Answer the failures of those whose host does not run."""
    failure = {"message": f"the host is {state}", "fix": "`dstk start` starts it; then run the same command again"}
    return {notebook["student"]: dict(failure) for notebook in notebooks}


def read_course(result: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what jupyter_container's entry point `course` registered, as the modules of this role answer."""
    failures = {}
    for student, text in (result.get("failures") or {}).items():
        message, _, fix = text.strip().rpartition("\nFix: ")
        failures[student] = {"message": message or text, "fix": fix if message else ""}
    answers = {student: {"commit": commit} for student, commit in (result.get("commits") or {}).items()}
    return {"answers": answers, "failures": failures}


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Name the filters."""
        return {
            "notebook_files_course": read_course,
            "notebook_files_failures": list_failures,
            "notebook_files_place": find_place,
            "notebook_files_select": select_notebooks,
            "notebook_files_stopped": list_stopped,
        }
