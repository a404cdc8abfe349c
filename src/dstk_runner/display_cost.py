"""What a class costs, as people read it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dstk_runner.costs import Bill, Cost
from dstk_runner.spending import Actual

__all__ = ["render_actual", "render_cost"]


def render_cost(cost: Cost) -> RenderableType:
    """Show the bills side by side, line by line, then what other choices would save, and what is assumed."""
    if not cost.bills:
        return Text("")
    hosts = " and ".join(f"{count} {name}" for name, count in cost.hosts.items())
    who = "one student" if cost.students == 1 else f"{cost.students} students"
    heading = f"{cost.deployment}: {hosts} for {who}, {cost.months:g} months in {cost.region}, in USD"
    parts: list[RenderableType] = [Text(heading, style="bold"), _render_bills(cost.bills, cost.students)]
    if missing := dict.fromkeys(name for bill in cost.bills for name in bill.unknown):
        parts.append(Text(f"+ and what is not known: {'; '.join(missing)}"))
        parts += [Text(f"  {line}") for line in cost.advice]
    if cost.choices:
        parts += [Text("\nWhat would be saved (more where it is less than nothing):", style="bold")]
        parts.append(_render_choices(cost))
    parts += [Text("\nWhat is assumed:", style="bold"), *(Text(f"  {note}") for note in cost.notes)]
    parts += [Text("\nWhere the prices are from:", style="bold")]
    parts += [Text(f"  {source}, {date or 'undated'}") for source, date in cost.sources]
    if cost.prices_note:
        parts.append(Text(f"  {cost.prices_note}, so prices are those that were kept or come with dstk"))
    return Group(*parts)


def _render_bills(bills: Iterable[Bill], students: int) -> Table:
    known = list(bills)
    table = _make_table("", *(bill.name for bill in known))
    table.add_row("hours a host runs", *(f"{bill.hours:.0f}" for bill in known), style="dim")
    names = list(dict.fromkeys(item.name for bill in known for item in bill.items))
    for name in names:
        table.add_row(name, *(_find_amount(bill, name) for bill in known))
    table.add_row("in all", *(_mark(bill, bill.total) for bill in known), style="bold")
    if students > 1:
        table.add_row("per student", *(_mark(bill, bill.per_student) for bill in known))
    return table


def _find_amount(bill: Bill, name: str) -> str:
    item = next((item for item in bill.items if item.name == name), None)
    if item is None:
        return "-"
    return "not known" if item.usd is None else f"{item.usd:,.2f}"


def _mark(bill: Bill, amount: float) -> str:
    return f"{amount:,.2f}{' +' if bill.unknown else ''}"


def _render_choices(cost: Cost) -> Table:
    names = [bill.name for bill in cost.bills]
    table = _make_table("", *names)
    for choice in cost.choices:
        table.add_row(choice.words, *(f"{choice.saved[name]:,.2f}" for name in names))
    return table


def render_actual(actual: Actual) -> RenderableType:
    """Show what is there with the least and the most that it has cost, and what Cost Explorer counts."""
    parts: list[RenderableType] = []
    if actual.items:
        table = _make_table("", "at least", "at most")
        for item in actual.items:
            table.add_row(item.name, _amount(item.at_least), _amount(item.at_most))
        table.add_row("in all", f"{actual.at_least:,.2f}", f"{actual.at_most:,.2f}", style="bold")
        heading = f"{actual.deployment} in {actual.region} since {actual.since}, in USD"
        parts += [Text(heading, style="bold"), table]
    else:
        parts.append(Text(f"Nothing of {actual.deployment} is in {actual.region} that costs money."))
    if actual.billed is not None:
        parts.append(Text(f"By Cost Explorer, which lags a day: {actual.billed:,.2f} USD", style="bold"))
    return Group(*parts, *(Text(f"  {note}") for note in actual.notes))


def _amount(usd: float | None) -> str:
    return "not known" if usd is None else f"{usd:,.2f}"


def _make_table(first: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column(first)
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table
