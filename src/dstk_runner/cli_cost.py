"""`dstk cost`: what it will cost, and what it has cost."""

from __future__ import annotations

from typing import Annotated

import typer

from dstk_runner import costs, spending
from dstk_runner.console import finish
from dstk_runner.display_cost import render_actual, render_cost
from dstk_runner.errors import ConfigError, Mistake
from dstk_runner.options import Request, takes_request

__all__ = ["cost_app"]

cost_app = typer.Typer(rich_markup_mode=None)


@cost_app.command()
@takes_request
def cost(
    request: Request,
    months: Annotated[float | None, typer.Option("--months", help="The period; by default three.")] = None,
    hours_a_week: Annotated[
        float | None, typer.Option("--hours-a-week", help="That a student works, for the idle stop; by default 10.")
    ] = None,
    transfer: Annotated[
        float | None, typer.Option("--transfer", help="GB that a student fetches a month; by default 1.")
    ] = None,
    actual: Annotated[
        bool, typer.Option("--actual", help="What it has cost so far; asking Cost Explorer costs 0.01 USD.")
    ] = False,
) -> None:
    """Say what this configuration will cost, before anything exists, or has cost so far."""
    assumed = {"months": months, "hours_a_week": hours_a_week, "transfer": transfer}
    if actual:
        said = [name for name, value in assumed.items() if value is not None]
        if said:
            flag = f"--{said[0].replace('_', '-')}"
            raise ConfigError([Mistake("", flag, "it is of what will be, and --actual of what was", "leave one out")])
        spent = spending.actual_cost(request.load())
        finish(request, spent, render_actual(spent))
    found = costs.cost(request.load(), months=months, hours_a_week=hours_a_week, transfer=transfer)
    finish(request, found, render_cost(found))
