"""`dstk cost`: what a configuration will cost, before anything exists, and what a deployment has cost so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from dstk_runner.config import Config
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.events import OnEvent
from dstk_runner.project import load_cost, load_estimate
from dstk_runner.results import Failure, Json, open_document
from dstk_runner.session import Request, open_request

__all__ = ["Bill", "Choice", "Cost", "Line", "cost", "estimate", "find_values"]

MOST = {"months": 120, "hours_a_week": 168, "transfer": 100_000}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a bill: `usd` for so many units at a price, None where nobody knows it."""

    name: str
    quantity: float
    unit: str
    price: float | None
    usd: float | None
    source: str = ""
    date: str = ""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What it costs where each host runs so many hours; the sums are without the lines that `unknown` names."""

    name: str
    hours: float
    total: float
    per_student: float
    unknown: tuple[str, ...] = ()
    items: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What another choice would cost and save, by the name of each bill; less than nothing is more."""

    words: str
    totals: Mapping[str, float]
    saved: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The estimate: a bill for hosts that are left on, for the schedule, and for hours really used with the idle stop.

    `notes` are the assumptions, `sources` each source of a price with its date, `prices_note` why the prices are not
    AWS's own of today, `advice` what to do about prices that are not known.
    """

    deployment: str
    region: str
    months: float
    students: int
    hosts: Mapping[str, int] = field(default_factory=dict)
    bills: tuple[Bill, ...] = ()
    choices: tuple[Choice, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()
    prices_note: str = ""
    advice: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """The estimate could be made."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk cost --json`."""
        told = {name: value for name, value in asdict(self).items() if name not in ("deployment", "region", "failures")}
        sources = [{"source": source, "date": date} for source, date in self.sources]
        failures = [failure.to_json() for failure in self.failures]
        return {**open_document(self), **told, "sources": sources, "failures": failures}


def cost(
    config: Request = None,
    *,
    months: float | None = None,
    hours_a_week: float | None = None,
    transfer: float | None = None,
    on_event: OnEvent | None = None,
    **overrides: Any,
) -> Cost:
    """Estimate what a configuration costs; nothing need exist. Raises what `deploy` does.

    Args:
        config: a path, a mapping, a Config, or None for ./dstk.yml, where that exists.
        months: the period; three where nothing is said.
        hours_a_week: that a student works, for hours really used.
        transfer: GB that a student fetches a month.
        on_event: called where a sandbox is started.
        **overrides: keys of the configuration.
    """
    with open_request(config, overrides, on_event) as wanted:
        return estimate(wanted, {"months": months, "hours_a_week": hours_a_week, "transfer": transfer})


def estimate(config: Config, assumed: Mapping[str, float | None] | None = None, *, ask: bool = True) -> Cost:
    """Estimate for a configuration whose target is open; `ask` allows to ask AWS for its prices."""
    from dstk_runner.price_list import find_prices

    said = {name: value for name, value in (assumed or {}).items() if value is not None}
    _check(said)
    module, values = load_estimate(), find_values(config)
    types = {row["instance_type"] or config.instance_type for row in config.members}
    prices, note = find_prices(config.state_dir, config.region, types, ask=ask)
    empty = Cost(
        deployment=config.deployment,
        region=config.region,
        months=said.get("months", module.MONTHS),
        students=len(config.members),
        prices_note=note,
    )
    try:
        found = module.estimate(values, prices, module.Assumptions(**said))
    except module.UnknownTypeError as error:
        return _fail(empty, str(error))
    return replace(_read(empty, found), advice=module.advise(found, prices, asked=ask and not note))


def _fail(empty: Cost, instance_type: str) -> Cost:
    message = f"nobody knows what {instance_type} has, so nobody knows how many notebooks fit on it"
    fix = "students_per_host: 4, or another number of your own; or credentials that allow pricing:GetProducts"
    failure = Failure(stage="cost", message=message, fix=fix)
    return replace(empty, failures=(failure,))


def _read(empty: Cost, found: Any) -> Cost:
    bills = tuple(_read_bill(name, bill) for name, bill in found.bills.items())
    choices = tuple(Choice(words=one.words, totals=dict(one.totals), saved=dict(one.saved)) for one in found.choices)
    sources = tuple(load_cost().find_sources(found.bills.values()))
    return replace(
        empty, hosts=dict(found.fleet.hosts), bills=bills, choices=choices, notes=found.notes, sources=sources
    )


def _read_bill(name: str, bill: Any) -> Bill:
    items = tuple(Line(**asdict(item)) for item in bill.items)
    return Bill(
        name=name,
        hours=round(bill.hours, 2),
        total=bill.total,
        per_student=bill.per_student,
        unknown=bill.unknown,
        items=items,
    )


def find_values(config: Config) -> dict[str, Any]:
    """Return the keys as plain values, as the arithmetic takes them from either door."""
    return {item.name: getattr(config, item.name) for item in fields(config)}


def _check(said: Mapping[str, float]) -> None:
    mistakes = [
        Mistake("", f"--{name.replace('_', '-')}", f"{value:g} is not more than 0 and at most {MOST[name]}", "another")
        for name, value in said.items()
        if not 0 < value <= MOST[name]
    ]
    if mistakes:
        raise ConfigError(mistakes)
