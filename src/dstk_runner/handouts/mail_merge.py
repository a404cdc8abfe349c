"""The class as a table for a mail merge."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from dstk_runner.handouts.people import Person
from dstk_runner.project import load_roster

__all__ = ["render_mail_merge"]

_COLUMNS = ("name", "email", "group", "login", "link", "password")


def render_mail_merge(people: Iterable[Person]) -> str:
    """Return a CSV with a row a student. What a spreadsheet would take for a formula is neutralised.

    It begins with a byte order mark, without which Excel takes UTF-8 for something else.
    """
    neutralise = load_roster().neutralise
    file = io.StringIO()
    file.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    table = csv.writer(file)
    table.writerow(_COLUMNS)
    for person in people:
        row = (person.name, person.email, person.group, person.login, person.url, person.password)
        table.writerow(neutralise(value) for value in row)
    return file.getvalue()
