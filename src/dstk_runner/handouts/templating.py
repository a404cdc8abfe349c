"""Pages that open from disk and load nothing: style and script stand in them, and their hashes admit nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

__all__ = ["render_page"]

_PACKAGE = "dstk_runner.handouts"


def render_page(template: str, *, style: str, script: str = "", **values: Any) -> str:
    """Fill a template of this package; all values are escaped. `style` and `script` name files beside the templates."""
    css = _read(style)
    code = _read(script) if script else ""
    policy = ["default-src 'none'", f"style-src {_hash(css)}", "base-uri 'none'", "form-action 'none'"]
    if code:
        policy.append(f"script-src {_hash(code)}")
    # style and script are files of this package
    trusted = {"policy": Markup("; ".join(policy)), "style": Markup(css), "script": Markup(code)}  # noqa: S704
    return _open_templates().get_template(template).render(**trusted, **values)


@functools.cache
def _open_templates() -> Environment:
    return Environment(
        loader=PackageLoader(_PACKAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


@functools.cache
def _read(name: str) -> str:
    return (resources.files(_PACKAGE) / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the hash by which a Content-Security-Policy names an inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
