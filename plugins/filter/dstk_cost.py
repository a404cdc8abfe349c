"""Filters of what a class costs, for plain Ansible; the arithmetic stands in module_utils."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import importlib.util
import sys
from pathlib import Path

_FOLDER = Path(__file__).resolve().parents[1] / "module_utils"


def _load(name: str):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        # dataclasses look their own module up by name
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


_estimate = _load("dstk_estimate")
_prices = _load("dstk_prices")
_spent = _load("dstk_spent")


def _open(plan: dict):
    """Answer the prices: those that `dstk cost` was told by AWS, where they are kept, over those of the table."""
    return _prices.load_prices(cached=_prices.read_cache(plan["state_dir"], plan["region"]))


def dstk_cost(plan: dict, months: float = _estimate.MONTHS) -> dict:
    """Answer totals in USD by how long hosts run, what they are without, and lines that say how they came about."""
    prices = _open(plan)
    try:
        found = _estimate.estimate(plan, prices, _estimate.Assumptions(months=float(months)))
    except _estimate.UnknownTypeError as error:
        return {"months": float(months), "totals": {}, "unknown": [f"what {error} has"]}
    lines = [
        f"{item.name}: {item.quantity:.1f} {item.unit}, "
        + ("price not known" if item.usd is None else f"{item.usd:.2f} USD ({item.source}, {item.date or 'undated'})")
        for item in next(iter(found.bills.values())).items
    ]
    return {
        "months": found.months,
        "hosts": dict(found.fleet.hosts),
        "totals": {name: bill.total for name, bill in found.bills.items()},
        "unknown": sorted({name for bill in found.bills.values() for name in bill.unknown}),
        "saved": {one.words: dict(one.saved) for one in found.choices},
        "lines": [*lines, *found.notes, *_estimate.advise(found, prices)],
    }


def dstk_budget_verdict(
    plan: dict, known: list[str] | None = None, by: str = "", until: str = "", hosts: list[dict] | None = None
) -> dict:
    """Answer whether a plan fits into its budget: `verdict` (ok, over or unknown), `words`, and `fix`, what mends it.

    `known` are the tags `dstk:until` of its hosts: a deployment that was extended costs more than its file says. With
    `by`, `until` or `hosts` (as dstk_resized answers them) it is asked of that change, and one that saves is well.
    """
    if not float(plan["budget"]):
        return {"verdict": "ok", "words": "", "fix": ""}
    asked = plan, _open(plan), datetime.datetime.now(datetime.UTC), known or []
    if by or until or hosts:
        try:
            verdict, words, fix = _estimate.judge_change(*asked, by=by, until=until, hosts=hosts or [])
        except ValueError:  # whoever changes the end says what is wrong
            verdict, words, fix = "ok", "", ""
    else:
        verdict, words, fix = _estimate.judge_budget(*asked)
    return {"verdict": verdict, "words": words, "fix": fix}


def dstk_resized(hosts: list[tuple[str, list[dict], str]], new: str = "", named: list[str] | None = None) -> list[dict]:
    """Answer how many hosts of each type there are, and will be once those get another on which only these sit, or all.

    Of each host it takes the type, the seats and the lifecycle, for AWS never changes the type of a `spot` instance.
    Without a host it answers nothing.
    """
    before, after = collections.Counter(), collections.Counter()
    for name, seats, lifecycle in hosts:
        sat = {seat["student"] for seat in seats}
        chosen = lifecycle != "spot" and (not named or (sat and sat <= set(named)))
        before[name] += 1
        after[new if new and chosen else name] += 1
    return [dict(before), dict(after)] if hosts else []


def dstk_spent(known: dict, plan: dict) -> dict:
    """Answer what a deployment has cost, in USD, of what the module dstk_spent answered."""
    found = _spent.sum_up(
        known,
        _open(plan),
        plan["region"],
        datetime.datetime.fromisoformat(known["asked"]),
        billed=known["billed"],
        refusal=known["refusal"],
    )
    return {**dataclasses.asdict(found), "items": [dataclasses.asdict(item) for item in found.items]}


def dstk_snapshot_price(region: str, state_dir: str) -> dict:
    """Answer what a GB of a snapshot costs a month in a region: `usd`, None where nobody knows, `source` and `date`."""
    price = _open({"state_dir": state_dir, "region": region}).find(_prices.SNAPSHOT, region)
    return {"usd": price.usd, "source": price.source, "date": price.date}


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict:
        """Answer the filters."""
        return {
            "dstk_budget_verdict": dstk_budget_verdict,
            "dstk_cost": dstk_cost,
            "dstk_resized": dstk_resized,
            "dstk_snapshot_price": dstk_snapshot_price,
            "dstk_spent": dstk_spent,
        }
