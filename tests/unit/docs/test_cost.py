"""The month of docs/cost.md, computed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from dstk_runner.config import load_config
from dstk_runner.costs import Cost, estimate
from support.environment import ROOT

PAGE = (ROOT / "docs/cost.md").read_text()
ROWS = {
    "t3.medium": "t3.medium, on demand",
    "root disks": "root disks, gp3",
    "homes": "homes, gp3",
    "public IPv4": "public IPv4",
    "data transfer out": "data transfer out",
}


@pytest.fixture
def month(home: Any) -> Cost:
    """What the page's own file costs for a month."""
    text = re.search(r"\n    region: .*?\n\n", PAGE, flags=re.DOTALL)
    assert text
    return estimate(load_config(yaml.safe_load(text[0])), {"months": 1}, ask=False)


def find_row(begin: str) -> list[float]:
    """The amounts of a row of the page's table."""
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| {begin}")]
    return [float(cell) for cell in line.split("|")[2:-1]]


@pytest.mark.parametrize(("begin", "name"), ROWS.items())
def test_a_line_by_hand_is_the_line_of_the_command(month: Cost, begin: str, name: str) -> None:
    assert find_row(begin) == [item.usd for bill in month.bills for item in bill.items if item.name == name]


def test_the_sums_by_hand_are_those_of_the_command(month: Cost) -> None:
    assert find_row("in all") == [bill.total for bill in month.bills]
    assert find_row("per student") == [bill.per_student for bill in month.bills]


def test_the_columns_by_hand_add_up() -> None:
    columns = zip(*(find_row(begin) for begin in ROWS), strict=True)
    assert [round(sum(column), 2) for column in columns] == find_row("in all")
