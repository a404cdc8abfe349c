"""A user who has set nothing: an empty home, no variables of dstk, AWS or Ansible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.environment import FOREIGN


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty home of a user called ada, who stands in it."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) and not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USER", "ada")
    monkeypatch.chdir(folder)
    return folder
