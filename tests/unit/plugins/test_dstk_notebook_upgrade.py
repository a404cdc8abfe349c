"""What becomes of the old container, and which image is remembered."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from support.plugins import Load

ROW = {"student": "ada", "asked": "img:1", "base": "img:2", "image": "img:2"}


class Engine:
    """Docker as far as an upgrade goes: containers by name, with the images that they run."""

    def __init__(self, containers: dict[str, str]) -> None:
        self.containers = containers

    def run(self, *words: str, **_: Any) -> tuple[int, str, str]:
        verb, rest = words[1], words[2:]
        if verb == "rename":
            self.containers[rest[1]] = self.containers.pop(rest[0])
        elif verb == "rm":
            self.containers.pop(rest[-1], None)
        return 0, "", ""

    def find(self, names: Any) -> dict[str, Any]:
        return {name: {"Config": {"Image": self.containers[name]}} for name in names if name in self.containers}


@pytest.fixture
def upgrade(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("module_utils/dstk_notebook_upgrade")
    (tmp_path / "ada").mkdir()
    monkeypatch.setattr(module, "find_student_folder", lambda student: tmp_path / student)
    monkeypatch.setattr(module, "ensure_file", lambda path, text, *_: path.write_text(text))
    monkeypatch.setattr(module, "find_images", lambda names: dict.fromkeys(names, "id"))
    return module


@pytest.fixture
def engine(upgrade: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """The old container stands by, the new one runs."""
    found = Engine({"dstk-ada": "img:2", "dstk-ada.before": "img:1"})
    monkeypatch.setattr(upgrade, "run", found.run)
    monkeypatch.setattr(upgrade, "find_containers", found.find)
    return found


def run_next(upgrade: ModuleType, asked: str) -> str:
    """The image that the next `up` gives, where the configuration asks for one."""
    notebook = {"student": "ada", "asked": asked, "image": asked}
    upgrade.apply_pins([notebook], upgrade.find_pins(["ada"]))
    return notebook["image"]


def test_one_that_is_healthy_stays_whatever_the_file_still_says(upgrade: ModuleType, engine: Engine) -> None:
    assert upgrade.settle([ROW], []) == ({}, {})
    assert engine.containers == {"dstk-ada": "img:2"}
    assert [run_next(upgrade, image) for image in ("img:1", "img:2", "img:3")] == ["img:2", "img:2", "img:3"]


def test_one_that_is_not_healthy_gives_way_and_is_not_tried_again_by_itself(
    upgrade: ModuleType, engine: Engine
) -> None:
    assert upgrade.settle([{**ROW, "asked": "img:2"}], ["ada"]) == ({"ada": "img:1"}, {})
    assert engine.containers == {"dstk-ada": "img:1"}
    assert [run_next(upgrade, image) for image in ("img:1", "img:2", "img:3")] == ["img:1", "img:1", "img:3"]


def test_a_failure_of_an_image_that_the_file_does_not_name_leaves_nothing(upgrade: ModuleType, engine: Engine) -> None:
    upgrade.settle([ROW], ["ada"])
    assert engine.containers == {"dstk-ada": "img:1"}
    assert upgrade.find_pins(["ada"]) == {}


def test_once_the_file_names_it_nothing_has_to_be_remembered(upgrade: ModuleType, engine: Engine) -> None:
    upgrade.settle([ROW], [])
    upgrade.settle([{**ROW, "asked": "img:2"}], [])
    assert upgrade.find_pins(["ada"]) == {}
    assert engine.containers


def test_what_an_interrupted_upgrade_left_aside_comes_back(upgrade: ModuleType, engine: Engine) -> None:
    assert upgrade.bring_back_unsettled(["ada", "ben"]) == ["ada"]
    assert engine.containers == {"dstk-ada": "img:1"}


def test_an_image_that_is_gone_is_not_kept(upgrade: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "find_containers", lambda _: {})
    upgrade.settle([ROW], [])
    monkeypatch.setattr(upgrade, "find_images", lambda _: {})
    assert run_next(upgrade, "img:1") == "img:1"
