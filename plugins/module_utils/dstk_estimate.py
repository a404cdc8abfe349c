"""From a configuration to its cost: which hosts it makes, how long they run, what another choice would save.

Pure; standard library only. The command, the library and the playbooks all reckon with this.
"""

from __future__ import annotations

import datetime
import importlib.util
import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
_prices = _load("dstk_prices")
_schedule = _load("dstk_schedule")
_seats = _load("dstk_seats")

MONTHS = 3
"""The period where none is named: the guide's."""
HOURS_A_WEEK = 10
"""Hours that a student works a week, for hours really used: a course's lectures, labs and homework."""
SESSIONS = 3
"""Times a week that a student begins to work."""
TRANSFER = 1
"""GB that a student fetches a month: JupyterLab's own pages are some 10 MB, the rest is pictures and downloads."""
FILLED = 0.5
"""The part of a home that is used, for snapshots, which hold only what is."""
CHANGED = 0.02
"""The part of it that another day's snapshot holds anew."""
HOME = 10
"""GB of a seat's home where `home_volume_size` is auto."""
SPOT = "spot: true, as the day's prices were; AWS may take such hosts back (docs/spot.md)"
ON_DEMAND = "spot: false, hosts that AWS does not take back"
ON, SCHEDULED, USED = "left on", "schedule", "idle stop"


@dataclass(frozen=True)
class Assumptions:
    """What nobody can know beforehand, and everybody may say otherwise."""

    months: float = MONTHS
    hours_a_week: float = HOURS_A_WEEK
    sessions: float = SESSIONS
    transfer: float = TRANSFER


@dataclass(frozen=True)
class Choice:
    """What another choice would cost and save, for each of the bills; less than nothing is more."""

    words: str
    totals: Mapping[str, float]
    saved: Mapping[str, float]


@dataclass(frozen=True)
class Estimate:
    """Bills by how long hosts run, what other choices would save, and what is assumed."""

    region: str
    months: float
    fleet: _cost.Fleet
    seats: int
    bills: Mapping[str, _cost.Bill]
    choices: tuple[Choice, ...] = ()
    notes: tuple[str, ...] = ()


class UnknownTypeError(Exception):
    """Nobody knows what the instance type has, so that nobody knows how many hosts there will be."""


def find_fleet(values: Mapping[str, Any], prices: _prices.Prices) -> tuple[_cost.Fleet, int]:
    """Answer the hosts that a configuration makes, and the most seats that one of them has.

    Args:
        values: the keys of a configuration, and `members`, its class.
        prices: for what the types have.
    """
    wanted = Counter(row["instance_type"] or values["instance_type"] for row in values["members"])
    places = {name: _find_capacity(values, prices, name) for name in wanted}
    hosts = {name: math.ceil(count / places[name]) for name, count in wanted.items()}
    size = values["home_volume_size"]
    homes = sum(number * (HOME * places[name] if size == "auto" else float(size)) for name, number in hosts.items())
    backups = values["schedule_backup"]
    kept = int(backups.get("keep", 7)) if backups else 0
    return (
        _cost.Fleet(
            hosts=hosts,
            students=len(values["members"]),
            root=values["volume_size"],
            homes=homes,
            snapshots=homes * FILLED * (1 + CHANGED * (kept - 1)) if kept else 0,
            elastic=values["elastic_ip"],
            spot=values.get("spot", False),
        ),
        max(places.values()),
    )


def _find_capacity(values: Mapping[str, Any], prices: _prices.Prices, name: str) -> int:
    kind = prices.kinds.get(name)
    said = str(values["students_per_host"]) != "auto"
    if values["placement"] == _seats.SHARED and kind is None and not said:
        raise UnknownTypeError(name)
    return _seats.find_capacity(
        placement=values["placement"],
        vcpus=kind.vcpus if kind else 1,
        memory_mib=kind.memory_mib if kind else 1024,
        students_per_host=str(values["students_per_host"]),
        notebook_memory=str(values["notebook_memory"]),
        notebook_cpus=str(values["notebook_cpus"]),
    )


def find_hours(values: Mapping[str, Any], seats: int, assumed: Assumptions) -> dict[str, float]:
    """Answer the hours of a week that a host runs: left on, by the schedule, with the idle stop."""
    hours = {ON: float(_cost.WEEK)}
    planned = find_scheduled_hours(values["schedule"])
    if planned is not None:
        hours[SCHEDULED] = planned
    if values["idle_timeout"]:
        used = _cost.find_used_hours(
            hours_a_week=assumed.hours_a_week,
            sessions=assumed.sessions,
            idle_minutes=values["idle_timeout"],
            seats=seats,
        )
        hours[USED] = min(used, planned if planned is not None else _cost.WEEK)
    return hours


def find_scheduled_hours(schedule: Mapping[str, Any]) -> float | None:
    """Answer the hours of a week between start and stop, with the minutes that hosts start before; None without."""
    hours = _schedule.hours_a_week(schedule)
    if hours is None:
        return None
    days = len(_schedule.parse_times(str(schedule["start"])).days)
    return float(min(_cost.WEEK, hours + days * _schedule.LEAD / 60))


def estimate(values: Mapping[str, Any], prices: _prices.Prices, assumed: Assumptions | None = None) -> Estimate:
    """Answer what a configuration costs for a period. Raises UnknownTypeError."""
    given = assumed or Assumptions()
    fleet, seats = find_fleet(values, prices)
    bills = _find_bills(values, fleet, seats, prices, given)
    return Estimate(
        region=values["region"],
        months=given.months,
        fleet=fleet,
        seats=seats,
        bills=bills,
        choices=tuple(_find_choices(values, fleet, prices, given, bills)),
        notes=tuple(_find_notes(values, fleet, seats, given)),
    )


def _find_bills(
    values: Mapping[str, Any], fleet: _cost.Fleet, seats: int, prices: _prices.Prices, assumed: Assumptions
) -> dict[str, _cost.Bill]:
    period = assumed.months * _cost.MONTH
    options = {"period": period, "transfer": assumed.transfer}
    return {
        name: _cost.bill(fleet, prices, values["region"], hours=weekly / _cost.WEEK * period, **options)
        for name, weekly in find_hours(values, seats, assumed).items()
    }


def _find_choices(
    values: Mapping[str, Any],
    fleet: _cost.Fleet,
    prices: _prices.Prices,
    assumed: Assumptions,
    bills: Mapping[str, _cost.Bill],
):
    """Yield what other choices cost; those whose prices are not known, or that change nothing, are left out."""
    if any(bill.unknown for bill in bills.values()):
        return
    others = [(f"a smaller type, {one}", {"instance_type": one}) for one in _neighbours(values, prices)[:1] if one]
    others += [(f"a larger type, {one}", {"instance_type": one}) for one in _neighbours(values, prices)[1:] if one]
    if fleet.students > 1:
        others.append(_find_other_placement(values, prices))
    others.append((ON_DEMAND, {"spot": False}) if fleet.spot else (SPOT, {"spot": True}))
    for words, change in others:
        changed = {**values, **change}
        try:
            other_fleet, seats = find_fleet(changed, prices)
        except UnknownTypeError:  # of a student's own type, say
            continue
        found = _find_bills(changed, other_fleet, seats, prices, assumed)
        if other_fleet != fleet and not any(bill.unknown for bill in found.values()):
            totals = {name: bill.total for name, bill in found.items()}
            yield Choice(words, totals, {name: round(bills[name].total - totals[name], 2) for name in bills})


def _find_other_placement(values: Mapping[str, Any], prices: _prices.Prices) -> tuple[str, dict[str, str]]:
    """Answer dedicated, or shared on the type of the family that costs least a seat where more than one fits."""
    if values["placement"] == _seats.SHARED:
        return "placement: dedicated", {"placement": _seats.DEDICATED}
    shared = {**values, "placement": _seats.SHARED}
    best: tuple[float, str, int] | None = None
    for name in prices.find_family(values["instance_type"], values["region"]):
        price = prices.find(_prices.INSTANCE, values["region"], name).usd
        seats = _find_capacity(shared, prices, name) if name in prices.kinds else 1
        if seats > 1 and price is not None:
            best = min(best or (math.inf, "", 0), (price / min(seats, len(values["members"])), name, seats))
    if best is None:
        return "placement: shared", {"placement": _seats.SHARED}
    words = f"placement: shared, up to {best[2]} on a {best[1]}"
    return words, {"placement": _seats.SHARED, "instance_type": best[1]}


def _neighbours(values: Mapping[str, Any], prices: _prices.Prices) -> tuple[str, str]:
    return prices.find_neighbours(values["instance_type"], values["region"])


def _find_notes(values: Mapping[str, Any], fleet: _cost.Fleet, seats: int, assumed: Assumptions):
    yield f"a month has {_cost.MONTH} hours, as in AWS's own calculator; taxes and free tiers are not counted"
    if values["idle_timeout"]:
        yield (
            f"{USED}: {assumed.hours_a_week:g} hours a week and student, begun {assumed.sessions:g} times, and "
            f"{values['idle_timeout']} minutes each until the host is found idle"
            + (", one student of a host after the other" if seats > 1 else "")
        )
    yield f"data transfer out: {assumed.transfer:g} GB a month and student; the 100 GB that are free are not deducted"
    if fleet.snapshots:
        yield f"snapshots: homes are {FILLED:.0%} full, and {CHANGED:.0%} of that changes from one day to the next"
    if values["baked"] != "never":
        yield "machine images of `dstk bake` are not counted, for they outlive deployments: see `dstk bake --list`"
    if fleet.spot:
        yield "prices of spot change from day to day; these are of the day that the table was made"
    if not values["elastic_ip"]:
        yield "a host has a public address only while it runs; `elastic_ip: true` is paid for all the time"
    if any(name.startswith(("t3", "t4g")) for name in fleet.hosts):
        yield "t3, t3a and t4g cost more under steady load: AWS bills CPU time above their baseline"


def advise(found: Estimate, prices: _prices.Prices, *, asked: bool = False) -> tuple[str, ...]:
    """Answer what to do about prices that are not known, the last line `Fix: ...`; nothing where all are.

    Args:
        found: the estimate.
        prices: by which it was made.
        asked: whether AWS's Price List has answered, and so has no price either.
    """
    if not any(bill.unknown for bill in found.bills.values()):
        return ()
    missing = [name for name in found.fleet.hosts if prices.find(_prices.INSTANCE, found.region, name).usd is None]
    known = tuple(_find_known(name, found.region, prices) for name in missing)
    if not asked:
        fix = "credentials that allow pricing:GetProducts, and `dstk cost` again, which then asks AWS"
        return (*known, f"Fix: {fix}")
    if not missing:
        return ("AWS's Price List does not have it either",)
    return (
        *known,
        f"Fix: an instance_type that is sold in {found.region}: AWS has no price of {' and '.join(missing)}",
    )


def _find_known(instance_type: str, region: str, prices: _prices.Prices) -> str:
    """Answer what else is known in the region: of the type's own family, else the families."""
    others = prices.find_family(instance_type, region) or prices.find_families(region)
    known = f"it knows {', '.join(others)}" if others else "it knows no instance's price there"
    return f"the table of dstk has no price of {instance_type} in {region}; {known}"


def find_plan_end(values: Mapping[str, Any], now: datetime.datetime, known: Iterable[str] = ()) -> datetime.datetime:
    """Answer when a plan ends; `known` are the tags `dstk:until` of its hosts, which somebody may have extended."""
    return _schedule.settle_end(known, values["schedule"], values["lease"], members=len(values["members"]), now=now)


def find_cost_until(
    values: Mapping[str, Any],
    prices: _prices.Prices,
    left: datetime.timedelta,
    hosts: Mapping[str, int] | None = None,
) -> _cost.Bill:
    """Answer the most that a plan costs while so much time is left: with the hours of its schedule, else left on.

    `hosts` are how many there are of each type, instead of those that the plan makes. The idle stop is not counted, for
    nobody can know how much it saves. Raises UnknownTypeError.
    """
    months = max(left.total_seconds(), 0) / 3600 / _cost.MONTH
    fleet, seats = find_fleet(values, prices)
    if hosts:
        fleet = replace(fleet, hosts=dict(hosts))
    bills = _find_bills(values, fleet, seats, prices, replace(Assumptions(), months=months))
    return bills.get(SCHEDULED) or bills[ON]


def judge_change(
    values: Mapping[str, Any],
    prices: _prices.Prices,
    now: datetime.datetime,
    known: Iterable[str] = (),
    *,
    by: str = "",
    until: str = "",
    hosts: Sequence[Mapping[str, int]] = (),
) -> tuple[str, str, str]:
    """Answer, as `judge_budget` does, of a deployment that shall end later, or whose hosts shall be of other types.

    What makes it no dearer is well, whatever the budget is; a price that is not known may be any. `by` and `until` are
    those of `prolong`, `hosts` how many there are of each type, now and then. Raises ValueError where nobody can tell
    until when.
    """
    end = then = find_plan_end(values, now, known)
    if by or until:
        then = _schedule.prolong(end, by=by, until=until, zone=str(values["schedule"].get("timezone", "UTC")), now=now)
    before, after = hosts or (None, None)
    if then <= end and before == after:
        return "ok", "", ""
    try:
        bills = [find_cost_until(values, prices, at - now, of) for at, of in ((end, before), (then, after))]
    except UnknownTypeError:
        bills = []
    if bills and _is_no_dearer(*bills):
        return "ok", "", ""
    return judge_budget(values, prices, now, end=then, hosts=after)


def _is_no_dearer(before: _cost.Bill, after: _cost.Bill) -> bool:
    """Answer whether the known sum is no higher, and there is no more of anything whose price is not known."""
    there = {item.name: item.quantity for item in before.items}
    more = [item for item in after.items if item.usd is None and item.quantity > there.get(item.name, 0)]
    return not more and after.total <= before.total


def judge_budget(
    values: Mapping[str, Any],
    prices: _prices.Prices,
    now: datetime.datetime,
    known: Iterable[str] = (),
    *,
    end: datetime.datetime | None = None,
    hosts: Mapping[str, int] | None = None,
) -> tuple[str, str, str]:
    """Answer whether a plan fits into its budget: `ok`, `over` or `unknown`, what is to be said, and what mends it.

    `end` and `hosts` are other ones than those of the plan.
    """
    budget = float(values["budget"])
    end = end or find_plan_end(values, now, known)
    until = f"until {end:%Y-%m-%d %H:%M} UTC"
    if end <= now:
        return "unknown", f"its end is past: {until}", "correct `until` of `schedule`, or `dstk extend`"
    try:
        found = find_cost_until(values, prices, end - now, hosts)
    except UnknownTypeError as error:
        return "unknown", f"nobody knows what {error} has, nor what it costs {until}", "dstk cost"
    how_long = SCHEDULED if find_scheduled_hours(values["schedule"]) is not None else ON
    how = "by its schedule" if how_long == SCHEDULED else "left on"
    without = f", without {', '.join(found.unknown)}, whose prices are not known" if found.unknown else ""
    words = f"{how} {until} it costs {found.total:.2f} USD{without}; the budget is {budget:.2f}"
    if found.total > budget:
        shorter = "fewer hours" if how_long == SCHEDULED else "a schedule with start and stop"
        fix = (
            f"a smaller instance_type, {shorter}, an earlier end, or budget: {math.ceil(found.total)}; see `dstk cost`"
        )
        return "over", words, fix
    return ("unknown" if found.unknown else "ok"), words, "dstk cost" if found.unknown else ""
