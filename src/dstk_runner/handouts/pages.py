"""The page that a student is given."""

from __future__ import annotations

from collections.abc import Iterable

from dstk_runner.handouts.people import Person
from dstk_runner.handouts.qr import draw_qr
from dstk_runner.handouts.templating import render_page

__all__ = ["MARK", "render_pages"]

MARK = '<meta name="generator" content="dstk handouts">'
"""Stands near the top of each page, and tells dstk's own from others."""


def render_pages(people: Iterable[Person], *, deployment: str) -> str:
    """Return one HTML document with a printed page for each of these students."""
    students = [{"person": person, "qr": draw_qr(person.url)} for person in people]
    return render_page("handout.html.j2", style="handout.css", mark=MARK, deployment=deployment, students=students)
