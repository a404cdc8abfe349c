"""What a deployment has cost so far, from what AWS still knows (dstk_spent_facts). Pure; standard library only.

AWS keeps of an instance when its root disk was made, when it was started last and when it was stopped last; of a disk
when it was made; of what is deleted nothing after an hour. So what instances cost is told as the least and the most.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


_cost = _load("dstk_cost")
_facts = _load("dstk_spent_facts")
_prices = _load("dstk_prices")


@dataclass(frozen=True)
class Spent:
    """What one thing has cost, at least and at most; None where its price is not known."""

    name: str
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True)
class Sum:
    """What all that is there has cost since a day (ISO 8601), in USD, and what the reader should know of it."""

    since: str
    items: tuple[Spent, ...]
    at_least: float
    at_most: float
    billed: float | None
    notes: tuple[str, ...]


def sum_up(
    facts: Mapping[str, Any],
    prices: _prices.Prices,
    region: str,
    now: datetime,
    *,
    billed: float | None,
    refusal: str = "",
    prices_note: str = "",
) -> Sum:
    """Answer what a deployment has cost.

    Args:
        facts: what AWS knows of it.
        prices: by which it is reckoned.
        region: whose prices.
        now: until when.
        billed: Cost Explorer's own sum, None where it has none.
        refusal: the code of Cost Explorer's error, where it did not answer.
        prices_note: why the prices are not AWS's own of today, where they are not.
    """
    items = tuple(add_up(facts, prices, region, now))
    return Sum(
        since=f"{_facts.find_since(facts, now):%Y-%m-%d}",
        items=items,
        at_least=round(sum(item.at_least or 0 for item in items), 2),
        at_most=round(sum(item.at_most or 0 for item in items), 2),
        billed=billed,
        notes=tuple(filter(None, (*_find_notes(items), prices_note, _describe_billing(billed, refusal)))),
    )


def add_up(facts: Mapping[str, Any], prices: _prices.Prices, region: str, now: datetime) -> Iterator[Spent]:
    """Yield what each host, disk and snapshot has cost by now."""
    address = prices.find(_prices.ADDRESS, region).usd
    for host in facts["hosts"]:
        usd = prices.find(_prices.SPOT if host["spot"] else _prices.INSTANCE, region, host["type"]).usd
        least, most = find_hours(host, now)
        yield _price(f"{host['id']}, {host['type']}", least, most, usd)
        if host["keeps_address"]:
            # an address that is kept is paid for while the host is stopped too
            least = most = _hours_between(host["made"], now)
        yield _price(f"{host['id']}, public IPv4", least, most, address)
    for volume in facts["volumes"]:
        usd = prices.find(_prices.GP3, region).usd if volume["type"] == "gp3" else None
        months = _hours_between(volume["made"], now) / _cost.MONTH * volume["size"]
        yield _price(f"{volume['id']}, {volume['size']} GB {volume['type']}", months, months, usd)
    for snapshot in facts["snapshots"]:
        usd = prices.find(_prices.SNAPSHOT, region).usd
        months = _hours_between(snapshot["made"], now) / _cost.MONTH
        # what it holds anew AWS tells nobody: at most all that was on the disk
        yield _price(f"{snapshot['id']}, snapshot", 0, months * snapshot["size"], usd)


def find_hours(host: Mapping[str, Any], now: datetime) -> tuple[float, float]:
    """Answer the least and the most hours that a host has run.

    The least is from its last start to its last stop, or to now; the most from its birth.
    """
    runs = host["state"] in ("pending", "running", "stopping")
    if not runs and not host["stopped"]:
        return 0, _hours_between(host["made"], now)
    until = now if runs else _facts.read_moment(host["stopped"])
    return _hours_between(host["started"], until), _hours_between(host["made"], until)


def _hours_between(begin: str, end: datetime) -> float:
    return max(0.0, (end - _facts.read_moment(begin)).total_seconds() / 3600)


def _price(name: str, least: float, most: float, usd: float | None) -> Spent:
    return Spent(name, None, None) if usd is None else Spent(name, round(least * usd, 2), round(most * usd, 2))


def _find_notes(items: Sequence[Spent]) -> Iterator[str]:
    if items:
        yield "at least: since each host's last start; at most: since it was made, for AWS keeps no other starts"
        yield "without what is deleted already, data transfer, and machine images, which are of no deployment"
    if unknown := [item.name for item in items if item.at_most is None]:
        yield f"without what has no known price: {', '.join(unknown)}"


def _describe_billing(billed: float | None, refusal: str) -> str:
    if refusal:
        return f"Cost Explorer did not answer ({refusal})"
    if billed is None:
        tag = _facts.TAG
        return f"Cost Explorer counts nothing by the tag {tag}: activate it as a cost allocation tag (docs/schedule.md)"
    return ""
