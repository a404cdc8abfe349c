"""What a deployment has cost so far: by what AWS still knows of its hosts and disks, and by Cost Explorer.

AWS keeps of an instance when its root disk was made, when it was started last and when it was stopped last; of a disk
when it was made; of what is deleted nothing after an hour. So what instances cost is told as the least and the most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from dstk_runner.aws import ask_all, find_code, make_client
from dstk_runner.events import OnEvent
from dstk_runner.project import load_cost, load_prices
from dstk_runner.remedies import explain
from dstk_runner.resources import TAG
from dstk_runner.results import Failure, Json, open_document
from dstk_runner.session import Request, open_request

__all__ = ["Actual", "Spent", "actual_cost"]

CE_HOME = "us-east-1"
CE_MONTHS = 13
"""Cost Explorer answers for the last 13 months: https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html"""


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
        try:
            client = make_client("ec2", wanted.region)
            own = [{"Name": f"tag:{TAG}", "Values": [wanted.deployment]}]
            instances, volumes, snapshots, addresses = ask_all(
                partial(_find, client, call, key, **more)
                for call, key, more in (
                    ("describe_instances", "Reservations", {"Filters": own}),
                    ("describe_volumes", "Volumes", {"Filters": own}),
                    ("describe_snapshots", "Snapshots", {"Filters": own, "OwnerIds": ["self"]}),
                    ("describe_addresses", "Addresses", {"Filters": own}),
                )
            )
        except Exception as error:
            raise explain(error) from error
        hosts = [item for reservation in instances for item in reservation["Instances"]]
        prices, note = find_prices(wanted.state_dir, wanted.region, {item["InstanceType"] for item in hosts})
        now = datetime.now(UTC)
        kept = {address["InstanceId"] for address in addresses if address.get("InstanceId")}
        items = tuple(add_up(hosts, volumes, snapshots, prices, wanted.region, now, kept=kept))
        begun = min((*map(_find_birth, hosts), *(volume["CreateTime"] for volume in volumes)), default=now)
        found = Actual(
            deployment=wanted.deployment,
            region=wanted.region,
            since=f"{begun:%Y-%m-%d}",
            items=items,
            at_least=round(sum(item.at_least or 0 for item in items), 2),
            at_most=round(sum(item.at_most or 0 for item in items), 2),
            notes=tuple(filter(None, (*_find_notes(items), note))),
        )
        return _ask_cost_explorer(found, begun, now)


def _find(client: Any, call: str, key: str, **options: Any) -> list[Mapping[str, Any]]:
    if not client.can_paginate(call):
        return list(getattr(client, call)(**options)[key])
    return [row for page in client.get_paginator(call).paginate(**options) for row in page[key]]


def add_up(
    hosts: list[Mapping[str, Any]],
    volumes: list[Mapping[str, Any]],
    snapshots: list[Mapping[str, Any]],
    prices: Any,
    region: str,
    now: datetime,
    *,
    kept: Set[str] = frozenset(),
) -> Iterator[Spent]:
    """Yield what each host, disk and snapshot has cost by now; `kept` are the hosts that keep their address."""
    module, month = load_prices(), load_cost().MONTH
    address = prices.find(module.ADDRESS, region).usd
    for host in hosts:
        spot = host.get("InstanceLifecycle") == "spot"
        usd = prices.find(module.SPOT if spot else module.INSTANCE, region, host["InstanceType"]).usd
        least, most = find_hours(host, now)
        name = f"{host['InstanceId']}, {host['InstanceType']}"
        yield _price(name, least, most, usd)
        if host["InstanceId"] in kept:
            # an address that is kept is paid for while the host is stopped too
            least = most = _hours_between(_find_birth(host), now)
        yield _price(f"{host['InstanceId']}, public IPv4", least, most, address)
    for volume in volumes:
        usd = prices.find(module.GP3, region).usd if volume["VolumeType"] == "gp3" else None
        months = _hours_between(volume["CreateTime"], now) / month * volume["Size"]
        yield _price(f"{volume['VolumeId']}, {volume['Size']} GB {volume['VolumeType']}", months, months, usd)
    for snapshot in snapshots:
        usd = prices.find(module.SNAPSHOT, region).usd
        months = _hours_between(snapshot["StartTime"], now) / month
        # what it holds anew AWS tells nobody: at most all that was on the disk
        yield _price(f"{snapshot['SnapshotId']}, snapshot", 0, months * snapshot["VolumeSize"], usd)


def find_hours(host: Mapping[str, Any], now: datetime) -> tuple[float, float]:
    """Return the least and the most hours that an instance has run.

    The least is from its last start to its last stop, or to now; the most from its birth.
    """
    stopped = _find_stop(host)
    until = now if host["State"]["Name"] in ("pending", "running", "stopping") else stopped
    if until is None:
        return 0, _hours_between(_find_birth(host), now)
    return _hours_between(host["LaunchTime"], until), _hours_between(_find_birth(host), until)


def _find_birth(host: Mapping[str, Any]) -> datetime:
    """Return when an instance was made: its root disk was attached then, while its LaunchTime is of its last start."""
    attached = [
        disk["Ebs"]["AttachTime"] for disk in host.get("BlockDeviceMappings", ()) if "AttachTime" in disk.get("Ebs", {})
    ]
    birth: datetime = min([*attached, host["LaunchTime"]])
    return birth


def _find_stop(host: Mapping[str, Any]) -> datetime | None:
    """Read `User initiated (2026-11-25 20:14:03 GMT)`."""
    found = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", str(host.get("StateTransitionReason", "")))
    return datetime.fromisoformat(found[1]).replace(tzinfo=UTC) if found else None


def _hours_between(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds() / 3600)


def _price(name: str, least: float, most: float, usd: float | None) -> Spent:
    if usd is None:
        return Spent(name=name, at_least=None, at_most=None)
    return Spent(name=name, at_least=round(least * usd, 2), at_most=round(most * usd, 2))


def _find_notes(items: tuple[Spent, ...]) -> Iterator[str]:
    if items:
        yield "at least: since each host's last start; at most: since it was made, for AWS keeps no other starts"
        yield "without what is deleted already, and data transfer"
    if unknown := [item.name for item in items if item.at_most is None]:
        yield f"without what has no known price: {', '.join(unknown)}"


def _ask_cost_explorer(found: Actual, begun: datetime, now: datetime) -> Actual:
    """Return the answer with what Cost Explorer counts by the tag, or why it does not."""
    first = max(begun.date(), (now - timedelta(days=CE_MONTHS * 30)).date())
    period = {"Start": first.isoformat(), "End": (now.date() + timedelta(days=1)).isoformat()}
    tagged = {"Tags": {"Key": TAG, "Values": [found.deployment], "MatchOptions": ["EQUALS"]}}
    try:
        answer = make_client("ce", CE_HOME).get_cost_and_usage(
            TimePeriod=period, Granularity="MONTHLY", Metrics=["UnblendedCost"], Filter=tagged
        )
        amounts = [float(row["Total"]["UnblendedCost"]["Amount"]) for row in answer["ResultsByTime"]]
    except Exception as error:
        return replace(found, notes=(*found.notes, f"Cost Explorer did not answer ({find_code(error)})"))
    if not any(amounts):
        note = f"Cost Explorer counts nothing by the tag {TAG}: activate it as a cost allocation tag (docs/schedule.md)"
        return replace(found, notes=(*found.notes, note))
    return replace(found, billed=round(sum(amounts), 2))
