from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from support.plugins import load_file

ROOT = Path(__file__).parents[3]
ROLES = sorted((ROOT / "roles").iterdir())


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def entries(role: Path) -> dict[str, Any]:
    specs: dict[str, Any] = read(role / "meta" / "argument_specs.yml")["argument_specs"]
    return specs


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_are_what_argument_specs_say(role: Path) -> None:
    said = {
        name: option["default"]
        for entry in entries(role).values()
        for name, option in (entry.get("options") or {}).items()
        if "default" in option
    }
    assert read(role / "defaults" / "main.yml") == said


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_entry_point_is_a_task_file(role: Path) -> None:
    assert [name for name in entries(role) if not (role / "tasks" / f"{name}.yml").is_file()] == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_the_readme_shows_the_variables_of_argument_specs(role: Path) -> None:
    tool = load_file(ROOT / "tools" / "role_tables.py", "role_tables")
    readme = (role / "README.md").read_text(encoding="utf-8")
    assert tool.ensure_table(readme, tool.find_table(role)) == readme, f"run tools/role_tables.py {role.name}"
