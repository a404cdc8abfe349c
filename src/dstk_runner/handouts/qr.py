"""A link as a picture that a phone reads."""

from __future__ import annotations

import functools

import segno
from markupsafe import Markup

__all__ = ["draw_qr"]


@functools.cache
def draw_qr(link: str) -> Markup:
    """Return the link as the QR code of an inline SVG, black on white, with the quiet zone that readers need.

    Error correction is at least M (15 %), so that a fold or a stain does no harm.
    """
    code = segno.make(link, error="m", micro=False)
    picture = code.svg_inline(border=4, light="#fff", omitsize=True, svgclass="qr", lineclass=None, title="QR code")
    # segno wrote this, and the link is in it as modules only
    return Markup(picture)  # noqa: S704
