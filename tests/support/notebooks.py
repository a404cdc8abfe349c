"""Notebooks of a host as the modules see them, with folders of this machine for their homes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

#: A docker that runs what it is told in the folder that is named as the container, with the state in a file beside it.
DOCKER = """#!/bin/sh
homes=$(dirname "$0")/homes
case $1 in
ps) for home in "$homes"/*; do echo "$(basename "$home") $(cat "$home.state" 2>/dev/null || echo running)"; done ;;
exec)
  shift
  while [ "${1#-}" != "$1" ]; do [ "$1" = --interactive ] && shift || shift 2; done
  cd "$homes/$1" || exit 1
  shift
  exec "$@" ;;
esac
"""


@dataclass(frozen=True)
class Notebooks:
    """The homes of a host."""

    folder: Path

    def add(self, *students: str) -> list[dict[str, str]]:
        """Make homes, and answer the notebooks as a module gets them."""
        for student in students:
            self.home(student).mkdir(parents=True)
        return [{"student": student, "container": f"dstk-{student}"} for student in students]

    def home(self, student: str) -> Path:
        return self.folder / "homes" / f"dstk-{student}"

    def stop(self, student: str) -> None:
        self.home(student).with_name(f"dstk-{student}.state").write_text("exited")


def make_notebooks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Notebooks:
    """Put the docker of these notebooks before the machine's own."""
    (folder / "homes").mkdir()
    docker = folder / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Notebooks(folder)
