"""Checks of spot: what it costs and what it means, and which hosts are paid for otherwise or were taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dstk_runner.config import Config
from dstk_runner.price_list import find_prices
from dstk_runner.project import load_prices
from dstk_runner.results import Check

__all__ = ["check_spot", "describe_spot_hosts"]

#: The code of an instance's state reason where EC2 took it back:
#: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
_TAKEN_BACK = "Server.SpotInstanceShutdown"


def check_spot(config: Config) -> list[Check]:
    """Say in plain words what `spot: true` costs and means; nothing where it is not asked for."""
    if not config.spot:
        return []
    types = list(dict.fromkeys(row["instance_type"] or config.instance_type for row in config.members))
    prices, _ = find_prices(config.state_dir, config.region, types, ask=False)
    message = (
        f"{'; '.join(_say_price(prices, config.region, name) for name in types)}. AWS may take a host back at two "
        "minutes' notice: what computes in its notebooks is lost, files are safe, and `dstk up` brings its students "
        "back, with their homes, as soon as AWS has room"
    )
    fix = "spot: false, where a computation that is lost costs more than the host"
    return [Check(name="spot", status="warn", message=message, fix=fix)]


def _say_price(prices: Any, region: str, name: str) -> str:
    module = load_prices()
    spot, usual = (prices.find(item, region, name).usd for item in (module.SPOT, module.INSTANCE))
    if spot is None or usual is None:
        return f"nobody here knows what a {name} costs as spot"
    less = round(100 * (1 - spot / usual))
    return f"a {name} costs about {spot:.4f} USD an hour, {less} % less than {usual:.4f} on demand"


def describe_spot_hosts(config: Config, mine: Sequence[Mapping[str, Any]]) -> list[Check]:
    """Say which hosts AWS took back, and which stay as they are though new ones would be paid for otherwise.

    Args:
        config: the request.
        mine: the instances of the deployment that have not ended.
    """
    checks = []
    taken = [item for item in mine if (item.get("StateReason") or {}).get("Code") == _TAKEN_BACK]
    if lost := sorted(item["InstanceId"] for item in taken if item["State"]["Name"] in ("stopping", "stopped")):
        message = (
            f"AWS took back {', '.join(lost)}; the homes are safe, and new hosts get them, if AWS has room for these"
        )
        checks.append(Check(name="taken back", status="warn", message=message, fix="go on: `dstk up` sees to it"))
    others = [item for item in mine if (item.get("InstanceLifecycle") == "spot") != config.spot]
    if stay := sorted(item["InstanceId"] for item in others if item["InstanceId"] not in lost):
        kind, new = ("on demand", "spot instances") if config.spot else ("spot instances", "on demand")
        message = f"{', '.join(stay)} stay {kind}, and new hosts would be {new}"
        fix = f"spot: {str(not config.spot).lower()}, or `dstk destroy`, which keeps the homes, and `dstk up`"
        checks.append(Check(name="spot hosts", status="warn", message=message, fix=fix))
    return checks
