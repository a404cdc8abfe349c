from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dstk_runner import write_handouts
from support.classes import notebook, seen, wanted

pytestmark = pytest.mark.usefixtures("home")

FILE = Path("handouts/mail-merge-with-passwords.csv")


def rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_has_all_that_a_letter_needs() -> None:
    ada = {"name": "Ada Lovelace", "email": "ada@example.org", "group": "A"}
    write_handouts(seen(notebook("ada")), config=wanted(ada))
    assert rows() == [
        {**ada, "login": "ada", "link": "https://203.0.113.7/ada/lab?of=ada", "password": "secret-of-ada"}
    ]


def test_excel_is_told_that_it_is_utf_8() -> None:
    write_handouts(seen(notebook("ada")), config=wanted("ada"))
    assert FILE.read_bytes().startswith(b"\xef\xbb\xbfname,")


def test_what_a_table_would_stumble_over_survives() -> None:
    ada = {"name": 'محمد "李" Ø', "login": "ada", "group": 'one, "two"; three'}
    write_handouts(seen(notebook("ada")), config=wanted(ada))
    assert (rows()[0]["name"], rows()[0]["group"]) == (ada["name"], ada["group"])


@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)"])
def test_no_spreadsheet_takes_a_cell_for_a_formula(formula: str) -> None:
    write_handouts(seen(notebook("ada")), config=wanted({"name": "Ada", "login": "ada", "group": formula}))
    assert rows()[0]["group"] == f"'{formula}"


def test_nobody_is_written_to_without_a_link() -> None:
    write_handouts(seen(notebook("ada"), notebook("bob", url="")), config=wanted("ada", "bob"))
    assert [row["login"] for row in rows()] == ["ada"]
