#!/usr/bin/env python3
"""Write each role's table of inputs into its README, from its argument_specs: `tools/role_tables.py [--check]`.

The table stands between two marks; everything else in the README is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BEGIN = "<!-- inputs: written by tools/role_tables.py -->"
END = "<!-- end of inputs -->"


def render_table(options: dict[str, dict[str, Any]]) -> str:
    """One entry point's options as a Markdown table, in the order of the specs."""
    rows = ["| input | type | default | meaning |", "|---|---|---|---|"]
    for name, spec in options.items():
        default = "**required**" if spec.get("required") else f"`{json.dumps(spec.get('default', ''))}`"
        words = spec["description"] if isinstance(spec["description"], str) else " ".join(spec["description"])
        meaning = re.sub(r"[A-Z]\(([^)]*)\)", r"`\1`", words).replace("|", "\\|")
        rows.append(f"| `{name}` | {spec.get('type', 'str')} | {default} | {meaning} |")
    return "\n".join(rows)


def render_readme(role: Path) -> str:
    """The README of a role with its tables renewed.

    Raises:
        SystemExit: the README has no place for them.
    """
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    tables = []
    for entry, spec in specs.items():
        if spec.get("options"):
            heading = "" if entry == "main" else f"`tasks_from: {entry}`: {spec['short_description']}\n\n"
            tables.append(heading + render_table(spec["options"]))
    text = (role / "README.md").read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{role / 'README.md'} lacks the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n" + "\n\n".join(tables) + f"\n{END}{after}"


def main() -> None:
    """Write the tables, or with --check only say which README is out of date, by the exit code too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a table is out of date")
    check = parser.parse_args().check
    stale = [
        role for role in sorted((ROOT / "roles").iterdir()) if render_readme(role) != (role / "README.md").read_text()
    ]
    for role in stale:
        if not check:
            (role / "README.md").write_text(render_readme(role))
        sys.stderr.write(f"{role.name}/README.md {'is out of date' if check else 'written'}\n")
    sys.exit(bool(stale) and check)


if __name__ == "__main__":
    main()
