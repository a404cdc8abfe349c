"""The file of a roster: text of whatever encoding and separator, as rows with their lines. Standard library only."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SEPARATORS = "\t;,"
_GARBLED = re.compile("\ufffd|\u00c2[\u00a1-\u00bf]|\u00c3[\u0080-\u00bf]")
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SAVE = "save it as CSV UTF-8"


@dataclass(frozen=True)
class Mistake:
    """One wrong thing of a roster: `where` is a file with its line, or an item of a list."""

    where: str
    field: str
    message: str
    fix: str

    def __str__(self) -> str:
        """Return it as one line."""
        text = ": ".join(part for part in (self.where, self.field, self.message) if part)
        return f"{text} ({self.fix})"


class RosterError(Exception):
    """A roster that cannot be used; `mistakes` names all that is wrong with it."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """Take the mistakes in the order in which they are to be read."""
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, mistakes)))


@dataclass(frozen=True)
class Line:
    """The cells of a row, and the line of the file on which it begins."""

    number: int
    cells: tuple[str, ...]

    @property
    def blank(self) -> bool:
        """Nothing is written in any cell."""
        return not any(self.cells)


def read_lines(path: Path) -> list[Line]:
    """Read the rows that say something; spaces and line breaks within a cell become one space.

    Raises RosterError where the file cannot be read, is no text, or its quotes do not close.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        fix = "correct `roster`: its path counts from the folder of the dstk.yml"
        raise RosterError([Mistake(str(path), "", str(error.strerror), fix)]) from None
    text = _decode(data, path)
    garbled = [number for number, line in enumerate(text.splitlines(), 1) if _GARBLED.search(line)]
    if garbled:
        message = "letters were lost when this file was converted once before"
        raise RosterError(
            [Mistake(f"{path}:{number}", "", message, f"export it again, and {_SAVE}") for number in garbled]
        )
    return _choose(text, path)


def _choose(text: str, path: Path) -> list[Line]:
    """Split with the separator that gives most rows the same number of cells, and more than one."""
    told = re.match(r'"?sep=(.)"?\r?\n', text)  # what Excel writes, and understands
    body, before = (text[told.end() :], 1) if told else (text, 0)
    found: list[list[Line]] = []
    broken: list[RosterError] = []
    for separator in told[1] if told else _SEPARATORS:
        try:
            found.append(_split(body, separator, before, path))
        except RosterError as error:
            # with the wrong separator the best quotes are wrong
            if separator in body or separator == _SEPARATORS[-1]:
                broken.append(error)
    best = max(found, key=_rate, default=[])
    if broken and _rate(best)[0] == 0:
        raise broken[-1]
    return best


def _decode(data: bytes, path: Path) -> str:
    if data.startswith(_WORKBOOKS):
        raise RosterError([Mistake(str(path), "", "this is a workbook of a spreadsheet, not CSV", _SAVE)])
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in data:
        raise RosterError([Mistake(str(path), "", "this is not UTF-8 text: it holds zero bytes", _SAVE)])
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"this is not {encoding.removesuffix('-sig').upper()} text, but perhaps Latin-1 or Windows-1252"
        fix = f"{_SAVE}, or: iconv -f WINDOWS-1252 -t UTF-8 FILE"
        raise RosterError([Mistake(f"{path}:{line}", "", message, fix)]) from None


def _split(text: str, separator: str, shift: int, path: Path) -> list[Line]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    lines = []
    begin = shift + 1
    try:
        for cells in reader:
            lines.append(Line(begin, tuple(map(_tidy, cells))))
            begin = reader.line_num + shift + 1
    except csv.Error as error:
        raise RosterError(
            [
                Mistake(
                    f"{path}:{begin}", "", f"the quotes of this row are wrong: {error}", 'write " within quotes as ""'
                )
            ]
        ) from None
    return [line for line in lines if not line.blank]


def _tidy(cell: str) -> str:
    """Write a cell on one line, without what keeps a spreadsheet from taking it for a number: `="007"`."""
    text = " ".join(cell.split())
    return text[2:-1] if text.startswith('="') and text.endswith('"') else text


def _rate(lines: Sequence[Line]) -> tuple[int, int]:
    """Rate a separator: it is the one that gives all rows the same number of cells, and more than one of them."""
    widths = [len(line.cells) for line in lines]
    usual = max(set(widths), key=widths.count, default=0)
    return (widths.count(usual) if usual > 1 else 0, usual)
