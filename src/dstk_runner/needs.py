"""What a class still needs: the hosts that are missing, by the rules with which seats are given."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dstk_runner.config import Config
from dstk_runner.project import load_seats

__all__ = ["AWAKE", "Kind", "Need", "find_need"]

AWAKE = ("pending", "running")
"""States of an instance in which it counts against the quota."""


@dataclass(frozen=True)
class Kind:
    """An instance type as DescribeInstanceTypes tells of it; memory in MiB."""

    name: str
    vcpus: int
    memory: int
    burstable: bool
    zones: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.name} ({self.vcpus} vCPU, {self.memory / 1024:g} GiB)"


@dataclass(frozen=True)
class Need:
    """Who of the class has a seat or is gone, which hosts are to be made or started, and the seats of each type.

    `started` and `started_spot` count against different quotas.
    """

    seated: int
    gone: tuple[str, ...]
    hosts: Mapping[str, int]
    started: Mapping[str, int]
    started_spot: Mapping[str, int]
    seats: Mapping[str, int]


def find_need(config: Config, kinds: Mapping[str, Kind], instances: Sequence[Mapping[str, Any]]) -> Need:
    """Return who has a seat, and which hosts the others need, by the rules with which seats are given."""
    seats = load_seats()
    capacities = {
        name: seats.find_capacity(
            placement=config.placement,
            vcpus=kind.vcpus,
            memory_mib=kind.memory,
            students_per_host=str(config.students_per_host),
            notebook_memory=str(config.notebook_memory),
            notebook_cpus=str(config.notebook_cpus),
        )
        for name, kind in kinds.items()
    }
    hosts = [
        seats.Host(item["InstanceId"], item["InstanceType"], {tag["Key"]: tag["Value"] for tag in item.get("Tags", ())})
        for item in sorted(instances, key=lambda item: str(item.get("LaunchTime", "")))
    ]
    rows = [seats.Row(member["student"], member["identity"], member["instance_type"]) for member in config.members]
    found = seats.settle(
        rows,
        hosts,
        placement=config.placement,
        instance_types=list(dict.fromkeys([config.instance_type, *config.instance_types])),
        capacities=capacities,
        limit=config.limit,
    )
    waiting = Counter(row.instance_type or config.instance_type for row in found.unseated)
    served = {host for placed in (found.kept, found.given) for host in placed}
    asleep = [item for item in instances if item["InstanceId"] in served and item["State"]["Name"] not in AWAKE]
    return Need(
        seated=sum(map(len, found.kept.values())),
        gone=tuple(seat.student for _, seat in found.gone),
        hosts={name: math.ceil(count / capacities[name]) for name, count in waiting.items()},
        started=Counter(item["InstanceType"] for item in asleep if item.get("InstanceLifecycle") != "spot"),
        started_spot=Counter(item["InstanceType"] for item in asleep if item.get("InstanceLifecycle") == "spot"),
        seats=capacities,
    )
