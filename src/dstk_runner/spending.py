"""What a deployment has cost so far: by what AWS still knows of its hosts and disks, and by Cost Explorer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from dstk_runner.aws import find_code, make_client
from dstk_runner.events import OnEvent
from dstk_runner.project import load_spent, load_spent_facts
from dstk_runner.remedies import explain
from dstk_runner.results import Failure, Json, open_document
from dstk_runner.session import Request, open_request

__all__ = ["Actual", "Spent", "actual_cost"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one thing has cost, at least and at most; None where its price is not known."""

    name: str
    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, kw_only=True)
class Actual:
    """What is there and has cost since `since`; `billed` is Cost Explorer's own sum, None where it has none."""

    deployment: str
    region: str
    since: str = ""
    items: tuple[Spent, ...] = ()
    at_least: float = 0
    at_most: float = 0
    billed: float | None = None
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """AWS could be asked."""
        return not self.failures

    def to_json(self) -> Json:
        """Return the document of `dstk cost --actual --json`."""
        told = {name: value for name, value in asdict(self).items() if name not in ("deployment", "region", "failures")}
        return {**open_document(self), **told, "failures": [failure.to_json() for failure in self.failures]}


def actual_cost(config: Request = None, *, on_event: OnEvent | None = None, **overrides: Any) -> Actual:
    """Tell what a deployment has cost so far. One question to Cost Explorer costs 0.01 USD. Raises what `deploy` does.

    https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/
    """
    from dstk_runner.api import NO_CLASS
    from dstk_runner.price_list import find_prices

    with open_request(config, {**NO_CLASS, **overrides}, on_event) as wanted:
        asking, now = load_spent_facts(), datetime.now(UTC)
        try:
            facts = asking.ask(make_client("ec2", wanted.region), wanted.deployment)
        except Exception as error:
            raise explain(error) from error
        prices, note = find_prices(wanted.state_dir, wanted.region, {host["type"] for host in facts["hosts"]})
        billed, refusal = _ask_cost_explorer(wanted.deployment, facts, now)
        found = load_spent().sum_up(facts, prices, wanted.region, now, billed=billed, refusal=refusal, prices_note=note)
        return Actual(
            deployment=wanted.deployment,
            region=wanted.region,
            since=found.since,
            items=tuple(Spent(**asdict(item)) for item in found.items),
            at_least=found.at_least,
            at_most=found.at_most,
            billed=found.billed,
            notes=found.notes,
        )


def _ask_cost_explorer(deployment: str, facts: Any, now: datetime) -> tuple[float | None, str]:
    """Return what Cost Explorer counts by the tag, and the code of its error: not everybody may ask it."""
    asking = load_spent_facts()
    try:
        client = make_client("ce", asking.CE_HOME)
        return asking.ask_cost_explorer(client, deployment, asking.find_since(facts, now), now), ""
    except Exception as error:
        return None, find_code(error)
