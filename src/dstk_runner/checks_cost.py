"""Checks of money: what a plan costs until its end, and whether that fits into its budget."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dstk_runner.config import Config
from dstk_runner.costs import find_values
from dstk_runner.price_list import find_prices
from dstk_runner.project import load_estimate
from dstk_runner.results import Check

__all__ = ["check_cost"]

NO_ALERTS = "without budget_email there is no AWS Budget: nobody is told what is spent, and nothing stops hosts then"


def check_cost(config: Config) -> list[Check]:
    """Say what the plan costs; with a budget, refuse one that costs more until its end, and warn where nobody knows.

    AWS is asked for its prices only where there is a budget: a run shall not wait for them otherwise.
    """
    estimates, values = load_estimate(), find_values(config)
    types = {row["instance_type"] or config.instance_type for row in config.members}
    prices, _ = find_prices(config.state_dir, config.region, types, ask=bool(config.budget))
    checks = []
    try:
        bills = estimates.estimate(values, prices, estimates.Assumptions(months=1)).bills
    except estimates.UnknownTypeError:
        bills = {}
    if bills:
        sums = [_say(name, bill) for name, bill in bills.items()]
        checks.append(Check(name="cost", status="ok", message=f"{', '.join(sums)}; see `dstk cost`"))
    if not config.budget:
        return checks
    if not config.budget_email:
        fix = "budget_email: you@example.org"
        checks.append(Check(name="budget alerts", status="warn", message=NO_ALERTS, fix=fix))
    verdict, words, fix = estimates.judge_budget(values, prices, datetime.now(UTC))
    if verdict == "over":
        return [*checks, Check(name="budget", status="fail", message=words, fix=fix, request=True)]
    return [*checks, Check(name="budget", status="ok" if verdict == "ok" else "warn", message=words, fix=fix)]


def _say(name: str, bill: Any) -> str:
    how = {"left on": "left on", "schedule": "by the schedule"}.get(name, f"with the {name}")
    return f"{bill.total:.2f} USD a month {how}{' and more' if bill.unknown else ''}"
