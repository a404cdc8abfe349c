"""What the class costs, as bars: one a way to run its hosts, with a part a line of its bill."""

from __future__ import annotations

from dataclasses import dataclass

from dstk_runner.config import Config
from dstk_runner.costs import Bill, Cost, estimate

__all__ = ["Bar", "Part", "describe_bars", "estimate_for_page"]

WIDTH = 720
"""Of the longest bar, in the units of the picture."""
#: Told apart in grey, too: each is darker than the next.
COLOURS = ("#17375e", "#2f6690", "#3a7ca5", "#81a4cd", "#b9cfe4", "#dfe9f3")


@dataclass(frozen=True)
class Part:
    """A line of a bill: where it begins and how long it is, and in which colour."""

    name: str
    usd: float
    x: float
    width: float
    colour: str


@dataclass(frozen=True)
class Bar:
    """A bill as a bar, with what it comes to, as text."""

    name: str
    total: str
    parts: tuple[Part, ...]


def estimate_for_page(config: Config) -> Cost:
    """Estimate the class for a page: AWS is not asked, for the page is written again and again."""
    return estimate(config, ask=False)


def describe_bars(cost: Cost) -> tuple[Bar, ...]:
    """Return the bars; the longest bill takes the whole width."""
    most = max((bill.total for bill in cost.bills), default=0)
    names = list(dict.fromkeys(item.name for bill in cost.bills for item in bill.items))
    colours = {name: COLOURS[min(place, len(COLOURS) - 1)] for place, name in enumerate(names)}
    return tuple(_describe(bill, most, colours) for bill in cost.bills) if most else ()


def _describe(bill: Bill, most: float, colours: dict[str, str]) -> Bar:
    parts: list[Part] = []
    x = 0.0
    for item in bill.items:
        width = round((item.usd or 0) / most * WIDTH, 1)
        if item.usd:
            parts.append(Part(item.name, item.usd, round(x, 1), width, colours[item.name]))
        x += width
    more = f", and {', '.join(bill.unknown)}, whose prices are not known" if bill.unknown else ""
    return Bar(bill.name, f"{bill.total:,.2f} USD, {bill.per_student:,.2f} a student{more}", tuple(parts))
