"""The page that a student is given."""

from __future__ import annotations

from collections.abc import Iterable

from dstk_runner.handouts.people import Person
from dstk_runner.handouts.qr import draw_qr
from dstk_runner.handouts.templating import render_page
from dstk_runner.results import Tls

__all__ = ["MARK", "render_pages"]

MARK = '<meta name="generator" content="dstk handouts">'
"""Stands near the top of each page, and tells dstk's own from others."""


def render_pages(people: Iterable[Person], *, deployment: str, tls: Tls | None = None, authority: str = "") -> str:
    """Return one HTML document with a printed page for each of these students.

    Args:
        people: the students.
        deployment: its name.
        tls: whose certificates the notebooks have.
        authority: the name of the file that a browser has to trust; empty where there is none.
    """
    students = [{"person": person, "qr": draw_qr(person.url)} for person in people]
    trust = {"file": authority, "sha256": tls.sha256} if tls and authority else None
    return render_page(
        "handout.html.j2", style="handout.css", mark=MARK, deployment=deployment, students=students, trust=trust
    )
