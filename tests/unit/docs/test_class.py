"""What the page of the class says of logins and rosters is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.environment import ROOT
from support.plugins import load_plugin

PAGE = (ROOT / "docs/class.md").read_text()
LOGINS = re.findall(r"^\| `([^`]+)` \| `([^`]+)`(?: |:)", PAGE, flags=re.MULTILINE)


@pytest.mark.parametrize(("written", "login"), LOGINS)
def test_a_login_of_the_page_is_derived(written: str, login: str) -> None:
    [member] = load_plugin("module_utils/dstk_roster").find_class({"students": [written]})
    assert member["student"] == login


def test_the_roster_of_the_page_is_a_class_of_two(tmp_path: Path) -> None:
    block = PAGE[PAGE.index("    name,") :].split("\n\n")[0]
    (tmp_path / "roster.csv").write_text(re.sub("^    ", "", block, flags=re.MULTILINE))
    members = load_plugin("module_utils/dstk_roster").find_class({"roster": str(tmp_path / "roster.csv")})
    assert [member["student"] for member in members] == ["ada", "grace"]
