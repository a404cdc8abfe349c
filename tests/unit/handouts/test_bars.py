"""What the class costs, as bars in its overview."""

from __future__ import annotations

import pytest

from dstk_runner.costs import Bill, Cost, Line
from dstk_runner.handouts.bars import WIDTH, describe_bars
from dstk_runner.handouts.overview import render_overview
from support.classes import notebook, seen


def bill(name: str, *amounts: float | None) -> Bill:
    lines = [Line(name=f"line {n}", quantity=1, unit="h", price=usd, usd=usd) for n, usd in enumerate(amounts, start=1)]
    total = sum(usd for usd in amounts if usd)
    missing = tuple(line.name for line in lines if line.usd is None)
    return Bill(name=name, hours=1, total=total, per_student=total, unknown=missing, items=tuple(lines))


def cost(*bills: Bill) -> Cost:
    return Cost(deployment="csx450", region="us-west-2", months=3, students=1, bills=bills)


def test_the_dearest_bill_takes_the_whole_width() -> None:
    dear, cheap = describe_bars(cost(bill("left on", 300, 100), bill("idle stop", 100, 100)))
    assert sum(part.width for part in dear.parts) == pytest.approx(WIDTH)
    assert [part.x for part in cheap.parts] == [0, WIDTH / 4]


def test_a_line_has_one_colour_in_all_bars() -> None:
    first, second = describe_bars(cost(bill("left on", 3, 1), bill("idle stop", 1, 1)))
    assert [part.colour for part in first.parts] == [part.colour for part in second.parts]


def test_what_has_no_price_is_told_in_words() -> None:
    [bar] = describe_bars(cost(bill("left on", 3, None)))
    assert bar.total == "3.00 USD, 3.00 a student, and line 2, whose prices are not known"


def test_the_overview_shows_the_bars_without_style_of_their_own() -> None:
    page = render_overview(seen(notebook("ada")), (), cost=cost(bill("left on", 3, 1)))
    assert "left on: 4.00 USD" in page
    assert page.count("<rect") == 4
    # the page's policy admits its own style alone
    assert "style=" not in page[page.index("<body") :]


@pytest.mark.parametrize("given", [None, cost()])
def test_an_overview_without_bills_has_no_bars(given: Cost | None) -> None:
    assert "What it costs" not in render_overview(seen(notebook("ada")), (), cost=given)
