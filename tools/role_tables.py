#!/usr/bin/env python3
"""Write the table of variables into each role's README, from its argument_specs: `tools/role_tables.py [ROLE...]`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).parents[1] / "roles"
BEGIN, END = "<!-- variables: tools/role_tables.py -->", "<!-- end of variables -->"


def find_table(role: Path) -> str:
    """Answer the table of a role's main entry point, one row a variable."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    rows = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, option in specs["main"].get("options", {}).items():
        rows.append(f"| `{name}` | {option['type']} | {_default(option)} | {_meaning(option)} |")
    return "\n".join(rows)


def ensure_table(readme: str, table: str) -> str:
    """Answer a README with the table between its two marks, which stand at its end where it has none yet."""
    if BEGIN not in readme:
        readme = f"{readme.rstrip()}\n\n## Variables\n{BEGIN}\n{END}\n"
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def _default(option: dict[str, Any]) -> str:
    if "default" not in option:
        return "required" if option.get("required") else "none"
    default = str(option["default"]).replace("|", "\\|")
    return f"`{default}`" if default else '`""`'


def _meaning(option: dict[str, Any]) -> str:
    text = option["description"]
    joined = " ".join(text) if isinstance(text, list) else str(text)
    return re.sub(r"C\((.*?)\)", r"`\1`", joined).replace("|", "\\|")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(path.name for path in ROLES.iterdir()):
        file = ROLES / name / "README.md"
        file.write_text(ensure_table(file.read_text(encoding="utf-8"), find_table(ROLES / name)), encoding="utf-8")
