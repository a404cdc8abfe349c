"""The page of the keys says what the code holds."""

from __future__ import annotations

import re

import yaml

from support.environment import ROOT


def test_the_page_names_every_key_once_and_no_other() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/configuration.md").read_text(), flags=re.MULTILINE)
    defaults = yaml.safe_load((ROOT / "group_vars/all.yml").read_text())
    user_facing = [name.removeprefix("dstk_") for name in defaults if name.startswith("dstk_")]
    assert sorted(keys) == sorted([*user_facing, "target"])
