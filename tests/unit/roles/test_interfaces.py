"""What a role takes stands in its argument_specs, and its defaults mirror that."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from support.environment import ROOT

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if (path / "tasks").is_dir())


def read(role: str, path: str) -> Any:
    file = ROOT / "roles" / role / path
    return yaml.safe_load(file.read_text()) if file.exists() else {}


def options(role: str) -> dict[str, dict[str, Any]]:
    """The options of all entry points."""
    specs = read(role, "meta/argument_specs.yml")["argument_specs"]
    return {name: option for entry in specs.values() for name, option in entry.get("options", {}).items()}


@pytest.mark.parametrize("role", ROLES)
def test_a_default_is_the_same_where_it_is_documented_and_where_it_is_set(role: str) -> None:
    documented = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert documented == (read(role, "defaults/main.yml") or {})


@pytest.mark.parametrize("role", ROLES)
def test_an_option_is_required_or_has_a_default(role: str) -> None:
    assert [
        name for name, option in options(role).items() if option.get("required", False) == ("default" in option)
    ] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_variable_bears_the_name_of_its_role(role: str) -> None:
    assert [name for name in options(role) if not name.startswith(f"{role}_")] == []
    assert [name for name in read(role, "vars/main.yml") or {} if not name.startswith(f"__{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_an_option_says_what_it_is(role: str) -> None:
    assert [name for name, option in options(role).items() if not option.get("description")] == []


@pytest.mark.parametrize("role", ROLES)
def test_an_entry_point_has_its_tasks(role: str) -> None:
    entries = read(role, "meta/argument_specs.yml")["argument_specs"]
    assert [entry for entry in entries if not (ROOT / "roles" / role / "tasks" / f"{entry}.yml").exists()] == []


@pytest.mark.parametrize("role", ROLES)
def test_group_vars_name_inputs_of_the_role_only(role: str) -> None:
    told = yaml.safe_load((ROOT / "group_vars" / "all.yml").read_text())
    others = [other for other in ROLES if other != role and other.startswith(role)]
    given = [name for name in told if name.startswith(f"{role}_") and not name.startswith(tuple(others) or ("\0",))]
    assert [name for name in given if name not in options(role)] == []
