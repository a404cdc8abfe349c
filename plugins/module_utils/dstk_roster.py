"""The class: who gets a notebook, from a roster, a list or the one student. Standard library only."""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


def _load(name: str) -> ModuleType:
    """Load a module of this folder, which is on no path of Python's."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


_columns = _load("dstk_roster_columns")
_file = _load("dstk_roster_file")
_logins = _load("dstk_logins")

Mistake = _file.Mistake
RosterError = _file.RosterError

INSTANCE_TYPE = r"[a-z0-9-]+\.[a-z0-9-]+"
IMAGE = r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9._-]+(/[a-z0-9._-]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
_LONGEST = 200
_KEYS = "name, login, email, group, instance_type, image"
_SHAPES = {
    "email": (_columns.EMAIL, "is not an email address", "one address, such as ada@example.org"),
    "instance_type": (INSTANCE_TYPE, "is not an instance type", "family and size, such as t3.large"),
    "image": (
        IMAGE,
        "is not the name of an image",
        "lower case, such as quay.io/jupyter/datascience-notebook:2026-08-24",
    ),
}


@dataclass(frozen=True)
class Row:
    """A person as written, and where."""

    where: str
    values: Mapping[str, str]

    def get(self, field: str) -> str:
        """Answer what is written, empty where nothing is."""
        return self.values.get(field, "")

    @property
    def key(self) -> str:
        """What names this person. The login comes first: emails are what a roster is given, or corrected, later."""
        return self.get("login") or self.get("email") or self.get("name")


def find_class(values: Mapping[str, Any], *, place: str = "students") -> list[dict[str, str]]:
    """Answer the class: a mapping a student, in the order of the roster.

    Args:
        values: the configuration, with `roster`, `students` and `student`.
        place: where `students` stands, for messages.

    Raises:
        RosterError: it names every mistake.
    """
    roster, students = values.get("roster") or "", values.get("students") or []
    if roster and students:
        raise RosterError([Mistake("", "students", "`roster` and `students` are both given", "leave one of them out")])
    if not roster and not students:
        login = str(values["student"])
        return [_person(Row("", {}), login, _logins.identify(login))]
    rows, mistakes = read_roster(Path(roster)) if roster else read_students(students, place)
    mistakes += [mistake for row in rows for mistake in _find_mistakes(row)]
    mistakes += _find_doubles(rows)
    if not rows and not mistakes:
        mistakes.append(Mistake(str(roster), "", "the roster names nobody", "write a student a line, or leave it out"))
    if mistakes:
        raise RosterError(sorted(mistakes, key=_number))
    return _name_all(rows)


def _number(mistake: Mistake) -> int:
    """Answer the line of a mistake, or the number of the item."""
    match = re.search(r"\d+$", mistake.where)
    return int(match[0]) if match else 0


def read_roster(path: Path) -> tuple[list[Row], list[Mistake]]:
    """Read a CSV file. Raises RosterError where it is none."""
    lines = _file.read_lines(path)
    system = _columns.find_system(lines[0].cells) if lines else ""
    if system != "brightspace":
        # there, a sign before every number and login keeps a spreadsheet from reading them
        lines = [line for line in lines if not line.cells[0].startswith("#")]
    if not lines:
        return [], []
    columns = _columns.find_columns(lines[0].cells)
    if not columns:
        return _read_bare(path, lines)
    header, *lines = lines
    mistakes = [
        Mistake(f"{path}:{header.number}", "", f"there is no column {cell!r}", f"did you mean {meant}?")
        for cell, meant in _columns.find_mistyped(header.cells, columns)
    ]
    rows = []
    for line in lines:
        values = _columns.read_cells(line.cells, columns)
        if not _columns.is_nobody(line.cells, values, system):
            mistakes += _find_surplus(path, line, len(header.cells))
            rows.append(Row(f"{path}:{line.number}", _columns.complete(values)))
    return rows, mistakes


def _read_bare(path: Path, lines: Sequence[Any]) -> tuple[list[Row], list[Mistake]]:
    """Read a roster without a header."""
    columns = _columns.guess_columns([line.cells for line in lines])
    if _looks_like_header([line.cells for line in lines], columns):
        fix = f"call them {_KEYS}"
        message = "this looks like a header, of columns that dstk does not know"
        return [], [Mistake(f"{path}:{lines[0].number}", "", message, fix)]
    width = len({index for found in columns.values() for index in found})
    mistakes = [mistake for line in lines for mistake in _find_surplus(path, line, width)]
    rows = [Row(f"{path}:{line.number}", _columns.complete(_columns.read_cells(line.cells, columns))) for line in lines]
    return rows, mistakes


def _looks_like_header(rows: Sequence[Sequence[str]], columns: Mapping[str, list[int]]) -> bool:
    """Answer whether every row but the first has its email in one column."""
    if len(rows) < 2 or "email" not in columns:
        return False
    index = columns["email"][0]
    first, *others = ("@" in row[index] if len(row) > index else False for row in rows)
    return not first and all(others)


def read_students(students: Any, place: str) -> tuple[list[Row], list[Mistake]]:
    """Read the list of a dstk.yml: names, logins or emails, or mappings with a roster's columns."""
    if not isinstance(students, list | tuple):
        return [], [Mistake(place, "students", "expected a list", "write it in brackets: [student01, student02]")]
    rows, mistakes = [], []
    for number, item in enumerate(students, 1):
        where = f"{place}, item {number}"
        values = {}
        if isinstance(item, Mapping):
            given = {str(key): " ".join(str(value).split()) for key, value in item.items() if value is not None}
            columns = _columns.find_columns(list(given))
            values = _columns.read_cells(list(given.values()), columns)
            mistakes += _find_unknown_keys(where, list(given), columns)
        elif item is not None:
            text = " ".join(str(item).split())
            values = {"email" if "@" in text else "name": text}
        rows.append(Row(where, _columns.complete(values)))
    return rows, mistakes


def _find_unknown_keys(where: str, keys: Sequence[str], columns: Mapping[str, list[int]]) -> list[Mistake]:
    known = {index for found in columns.values() for index in found}
    mistakes = []
    for key in (key for index, key in enumerate(keys) if columns and index not in known):
        near = difflib.get_close_matches(key, _columns.FIELDS, n=1)
        fix = f"did you mean {near[0]}?" if near else f"the keys are {_KEYS}"
        mistakes.append(Mistake(where, key, "there is no such key", fix))
    return mistakes


def find_strangers(limit: Iterable[str], members: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Answer what is wrong with a limit: for each login that nobody has a message, and what was probably meant."""
    logins = [member["student"] for member in members]
    answer = []
    for login in limit:
        if login not in logins:
            near = difflib.get_close_matches(login, logins, n=1, cutoff=0.5)
            fix = f"did you mean {near[0]}?" if near else "`dstk plan` shows the logins"
            answer.append((f"there is no student {login}", fix))
    return answer


def neutralise(text: str) -> str:
    """Write a cell of a CSV so that no spreadsheet takes it for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _find_surplus(path: Path, line: Any, width: int) -> list[Mistake]:
    surplus = [cell for cell in line.cells[width:] if cell]
    if not surplus:
        return []
    message = f"the row has {len(line.cells)} cells where there are {width} columns"
    return [Mistake(f"{path}:{line.number}", "", message, "put a cell that holds the separator in double quotes")]


def _find_mistakes(row: Row) -> list[Mistake]:
    found = [] if row.key else [Mistake(row.where, "", "nobody is named", "write a name, a login or an email")]
    for field, text in row.values.items():
        if len(text) > _LONGEST:
            found.append(Mistake(row.where, field, f"{text[:20]!r}... is very long", "is a double quote missing?"))
        elif re.search(r"\{[{%#]", text):
            # Ansible would take what stands there for its own, and run it
            found.append(Mistake(row.where, field, f"{text!r} holds the beginning of a template", "write it without {"))
        elif any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
            found.append(Mistake(row.where, field, f"{text!r} holds a control character", "type it anew"))
        elif field in _SHAPES and text:
            shape, message, fix = _SHAPES[field]
            found += [] if re.fullmatch(shape, text) else [Mistake(row.where, field, f"{text!r} {message}", fix)]
    return found


def _find_doubles(rows: Sequence[Row]) -> list[Mistake]:
    """Find persons who are there twice: an email, or a login as written, is one person's."""
    found = []
    for field in ("email", "login"):
        seen: dict[str, str] = {}
        for row in rows:
            text = row.get(field).casefold()
            if text and text in seen:
                message = f"{row.get(field)} stands already in {seen[text]}"
                found.append(Mistake(row.where, field, message, "keep one of them"))
            elif text:
                seen[text] = row.where
    return found


def _name_all(rows: Sequence[Row]) -> list[dict[str, str]]:
    seen: dict[str, int] = {}
    identities = []
    for row in rows:
        key = _logins.identify(row.key)
        seen[key] = seen.get(key, 0) + 1
        identities.append(_logins.identify(row.key, seen[key]))
    logins = [
        _logins.derive_login((row.get("login"), row.get("email").partition("@")[0], row.get("name")), identity)
        for row, identity in zip(rows, identities, strict=True)
    ]
    people = zip(rows, _logins.tell_apart(logins), identities, strict=True)
    return [_person(row, login, identity) for row, login, identity in people]


def _person(row: Row, login: str, identity: str) -> dict[str, str]:
    fields = ("name", "email", "group", "instance_type", "image")
    return {"student": login, **{field: row.get(field) for field in fields}, "identity": identity}
