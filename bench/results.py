"""The page of results: each benchmark writes its own section, between two marks, and leaves the others."""

from __future__ import annotations

from pathlib import Path

TITLE = "# Results\nRatios of one run on one machine: `make bench` writes them anew.\n"


def ensure_section(page: Path, name: str, text: str) -> None:
    """Put a text between the marks of a section, which stands at the page's end where it has none yet."""
    begin, end = f"<!-- {name}: bench/{name}.py -->", f"<!-- end of {name} -->"
    content = page.read_text(encoding="utf-8") if page.exists() else TITLE
    if begin not in content:
        content = f"{content.rstrip()}\n\n## {name.capitalize()}\n{begin}\n{end}\n"
    before, _, rest = content.partition(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")
