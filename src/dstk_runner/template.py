"""The dstk.yml that `dstk init` writes: every key with its default, all of it commented out."""

from __future__ import annotations

from dstk_runner.project import find_project, load_layers

__all__ = ["render_template"]

_HEAD = """\
# What dstk makes. Every key is optional: what stands here commented out is the default.
# `dstk plan` says what would be made, `dstk up` makes it.

# target: aws # or sandbox: the same on this machine, without an account
"""


def render_template() -> str:
    """Return the text, made from the one file in which the defaults stand."""
    folder = find_project()
    path = next(
        path
        for path in (folder / "inventory" / "group_vars" / "all.yml", folder / "group_vars" / "all.yml")
        if path.exists()
    )
    prefix = load_layers().PREFIX
    lines = [
        f"# {line.removeprefix(prefix)}"
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(prefix)
    ]
    return _HEAD + "\n".join(lines) + "\n"
