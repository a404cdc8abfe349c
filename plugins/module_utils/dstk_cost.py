"""What a class costs: hosts, disks and addresses, over a period, with so many hours. Pure; standard library only."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType


def _load(name: str) -> ModuleType:
    """Load a module of this folder, which is on no path of Python's."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


_prices = _load("dstk_prices")

MONTH = 730
"""Hours of a month, as AWS's calculator counts: 365 days of 24 hours, a twelfth."""
WEEK = 168


@dataclass(frozen=True)
class Fleet:
    """What is paid for. Sizes are in GB: `root` of one host, `homes` and `snapshots` of all together."""

    hosts: Mapping[str, int]
    students: int
    root: float
    homes: float
    snapshots: float = 0
    elastic: bool = False
    spot: bool = False


@dataclass(frozen=True)
class Item:
    """A line of the bill: so many units at a price; `usd` is None where the price is not known."""

    name: str
    quantity: float
    unit: str
    price: float | None
    usd: float | None
    source: str = ""
    date: str = ""


@dataclass(frozen=True)
class Bill:
    """Items, and their sum; `unknown` names the items that the sum is without."""

    hours: float
    items: tuple[Item, ...]
    students: int = 1
    total: float = field(init=False, default=0)
    per_student: float = field(init=False, default=0)
    unknown: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        """Add up. Items are in whole cents, and so is their sum: what is shown adds up by hand."""
        total = round(sum(item.usd for item in self.items if item.usd is not None), 2)
        object.__setattr__(self, "total", total)
        object.__setattr__(self, "per_student", round(total / self.students, 2))
        object.__setattr__(self, "unknown", tuple(item.name for item in self.items if item.usd is None))


def bill(fleet: Fleet, prices: _prices.Prices, region: str, *, period: float, hours: float, transfer: float) -> Bill:
    """Answer what a fleet costs.

    Args:
        fleet: what is there.
        prices: by which it is reckoned.
        region: whose prices.
        period: hours that disks and addresses are kept.
        hours: hours of the period that each host runs.
        transfer: GB that a student fetches a month.
    """
    months = period / MONTH
    count = sum(fleet.hosts.values())
    kind, word = (_prices.SPOT, "spot") if fleet.spot else (_prices.INSTANCE, "on demand")
    lines = [
        (f"{name}, {word}", number * hours, "h", prices.find(kind, region, name))
        for name, number in sorted(fleet.hosts.items())
    ]
    disk = prices.find(_prices.GP3, region)
    lines.append(("root disks, gp3", fleet.root * count * months, "GB-month", disk))
    lines.append(("homes, gp3", fleet.homes * months, "GB-month", disk))
    lines.append(("snapshots", fleet.snapshots * months, "GB-month", prices.find(_prices.SNAPSHOT, region)))
    lines.append(
        ("public IPv4", count * (period if fleet.elastic else hours), "h", prices.find(_prices.ADDRESS, region))
    )
    out = transfer * fleet.students * months
    lines.append(("data transfer out", out, "GB", prices.find(_prices.TRANSFER, region)))
    return Bill(hours, tuple(_item(*line) for line in lines if line[1] > 0), fleet.students)


def _item(name: str, quantity: float, unit: str, price: _prices.Price) -> Item:
    usd = None if price.usd is None else round(quantity * price.usd, 2)
    return Item(name, quantity, unit, price.usd, usd, price.source, price.date)


def find_used_hours(*, hours_a_week: float, sessions: float, idle_minutes: float, seats: int) -> float:
    """Answer the hours of a week that a host with the idle stop runs, at most.

    Each session is followed by the minutes until the host is found idle. A shared host is taken to be used by one
    student after the other, the most that it can run.
    """
    return min(WEEK, seats * (hours_a_week + sessions * idle_minutes / 60))


def find_sources(bills: Iterable[Bill]) -> list[tuple[str, str]]:
    """Answer each source of a price with its date, once."""
    return list(dict.fromkeys((item.source, item.date) for one in bills for item in one.items if item.source))
