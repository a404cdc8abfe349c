"""What AWS still knows of what a deployment has cost: its hosts, disks and snapshots, and Cost Explorer's own sum.

Standard library only: the client is the caller's. All that is answered is plain, with moments in ISO 8601.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

TAG = "dstk:deployment"
CE_HOME = "us-east-1"
CE_MONTHS = 13
"""Cost Explorer answers for the last 13 months: https://docs.aws.amazon.com/cost-management/latest/userguide/ce-what-is.html"""


def ask(client: Any, deployment: str) -> dict[str, list[dict[str, Any]]]:
    """Ask EC2 for the hosts, the volumes and the snapshots that carry the deployment's tag.

    A host has `id`, `type`, `state`, `spot`, `made`, `started` (the last time), `stopped` (empty where AWS does not
    tell) and `keeps_address`; a volume `id`, `type`, `size` (GB) and `made`; a snapshot `id`, `size` and `made`, the
    size being that of its volume.
    """
    own = [{"Name": f"tag:{TAG}", "Values": [deployment]}]
    reservations = _find_all(client, "describe_instances", "Reservations", Filters=own)
    volumes = _find_all(client, "describe_volumes", "Volumes", Filters=own)
    snapshots = _find_all(client, "describe_snapshots", "Snapshots", Filters=own, OwnerIds=["self"])
    addresses = client.describe_addresses(Filters=own)["Addresses"]
    kept = {address["InstanceId"] for address in addresses if address.get("InstanceId")}
    hosts = [read_host(item) for reservation in reservations for item in reservation["Instances"]]
    return {
        "hosts": [{**host, "keeps_address": host["id"] in kept} for host in hosts],
        "volumes": [
            {"id": row["VolumeId"], "type": row["VolumeType"], "size": row["Size"], "made": _write(row["CreateTime"])}
            for row in volumes
        ],
        "snapshots": [
            {"id": row["SnapshotId"], "size": row["VolumeSize"], "made": _write(row["StartTime"])} for row in snapshots
        ],
    }


def read_host(instance: Mapping[str, Any]) -> dict[str, Any]:
    """Answer what counts of an instance as EC2 describes it.

    It was made when its root disk was attached, for its LaunchTime is of its last start.
    """
    attached = [
        disk["Ebs"]["AttachTime"]
        for disk in instance.get("BlockDeviceMappings", ())
        if "AttachTime" in disk.get("Ebs", {})
    ]
    return {
        "id": instance["InstanceId"],
        "type": instance["InstanceType"],
        "state": instance["State"]["Name"],
        "spot": instance.get("InstanceLifecycle") == "spot",
        "made": _write(min([*attached, instance["LaunchTime"]])),
        "started": _write(instance["LaunchTime"]),
        "stopped": _find_stop(instance),
    }


def find_since(facts: Mapping[str, Any], now: datetime.datetime) -> datetime.datetime:
    """Answer when the first of what is there was made; `now` where nothing is."""
    return min((read_moment(row["made"]) for kind in ("hosts", "volumes") for row in facts[kind]), default=now)


def ask_cost_explorer(client: Any, deployment: str, since: datetime.datetime, now: datetime.datetime) -> float | None:
    """Answer what Cost Explorer counts by the tag, in USD; None where it counts nothing. A question costs 0.01 USD.

    https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/
    """
    first = max(since.date(), (now - datetime.timedelta(days=CE_MONTHS * 30)).date())
    answer = client.get_cost_and_usage(
        TimePeriod={"Start": first.isoformat(), "End": (now.date() + datetime.timedelta(days=1)).isoformat()},
        Granularity="MONTHLY",
        Metrics=["UnblendedCost"],
        Filter={"Tags": {"Key": TAG, "Values": [deployment], "MatchOptions": ["EQUALS"]}},
    )
    amounts = [float(row["Total"]["UnblendedCost"]["Amount"]) for row in answer["ResultsByTime"]]
    return round(sum(amounts), 2) if any(amounts) else None


def read_moment(text: str) -> datetime.datetime:
    """Read a moment of the facts."""
    return datetime.datetime.fromisoformat(text)


def _find_all(client: Any, call: str, key: str, **options: Any) -> list[dict[str, Any]]:
    return [row for page in client.get_paginator(call).paginate(**options) for row in page[key]]


def _find_stop(instance: Mapping[str, Any]) -> str:
    """Read `User initiated (2026-11-25 20:14:03 GMT)`."""
    found = re.search(r"\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", str(instance.get("StateTransitionReason", "")))
    return _write(datetime.datetime.fromisoformat(found[1]).replace(tzinfo=datetime.UTC)) if found else ""


def _write(moment: datetime.datetime) -> str:
    return moment.isoformat()
