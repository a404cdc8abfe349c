"""Checks of what the class needs: its instance types, the hosts that are still missing, and the room for them."""

from __future__ import annotations

import ipaddress
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dstk_runner.checks_quotas import find_vcpu_quota, judge_vcpus
from dstk_runner.config import Config
from dstk_runner.project import load_seats
from dstk_runner.resources import TAG
from dstk_runner.results import Check

__all__ = ["check_class"]

_SMALL_MEMORY = 2048
"""MiB. The image's JupyterLab with one Python kernel and pandas takes about 0.5 GiB, R or Julia beside it 1 more."""

_SMALL_SEATS = {"base-notebook": 512, "minimal-notebook": 512, "scipy-notebook": 1024, "r-notebook": 1024}
"""MiB for one person, by the image; the others bring two or three languages, or what learns."""
_SMALL_SEAT = 1536

_MANY_BURSTABLE = 10
_SUBNET_BITS = 4
_TAKEN_ADDRESSES = 5
"""AWS keeps five addresses of every subnet; the role aws_network cuts a VPC into 2**4 subnets, one a zone."""


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
    """Who of the class has a seat or is gone, which hosts are to be made or started, and the seats of each type."""

    seated: int
    gone: tuple[str, ...]
    hosts: Mapping[str, int]
    started: Mapping[str, int]
    seats: Mapping[str, int]


def check_class(client: Any, quotas: Any, config: Config) -> list[Check]:
    """Ask whether every type is offered, and whether what the whole class still needs fits into quota and network."""
    own = [member["instance_type"] for member in config.members]
    first = [config.instance_type] if not all(own) else []
    wanted = list(dict.fromkeys([*first, *filter(None, own), *config.instance_types]))
    zones = _find_zones(client, wanted)
    missing = [name for name in wanted if not zones[name]]
    if missing:
        fix = f"choose another, such as t3.medium: {_describe_offers(config)}"
        message = f"{config.region} offers no {' and no '.join(missing)}"
        return [Check(name="instance_type", status="fail", message=message, fix=fix, request=True)]
    instances = _find_instances(client)
    mine = [item for item in instances if {"Key": TAG, "Value": config.deployment} in item.get("Tags", ())]
    kinds = _find_kinds(client, [*wanted, *(item["InstanceType"] for item in mine)], zones)
    need = find_need(config, kinds, mine)
    used = [kinds[name] for name in wanted]
    checks = [Check(name="instance_type", status="ok", message="; ".join(f"{k} in {', '.join(k.zones)}" for k in used))]
    checks += _check_memory(config, used, need)
    checks += _check_credits(config, used, need)
    checks += _describe_class(config, need)
    checks += _check_network(config, kinds, need)
    return [*checks, *_check_vcpus(quotas, config, kinds, instances, need)]


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
    asleep = [item for item in instances if item["InstanceId"] in served and item["State"]["Name"] not in _AWAKE]
    return Need(
        seated=sum(map(len, found.kept.values())),
        gone=tuple(seat.student for _, seat in found.gone),
        hosts={name: math.ceil(count / capacities[name]) for name, count in waiting.items()},
        started=Counter(item["InstanceType"] for item in asleep),
        seats=capacities,
    )


_AWAKE = ("pending", "running")


def _find_zones(client: Any, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    offers = []
    for part in (names[start : start + 100] for start in range(0, len(names), 100)):
        pages = client.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": part}]
        )
        offers += [offer for page in pages for offer in page["InstanceTypeOfferings"]]
    return {
        name: tuple(sorted(offer["Location"] for offer in offers if offer["InstanceType"] == name)) for name in names
    }


def _find_instances(client: Any) -> list[Mapping[str, Any]]:
    states = [*_AWAKE, "stopping", "stopped"]
    pages = client.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "instance-state-name", "Values": states}]
    )
    return [item for page in pages for reservation in page["Reservations"] for item in reservation["Instances"]]


def _find_kinds(client: Any, names: Sequence[str], zones: Mapping[str, tuple[str, ...]]) -> dict[str, Kind]:
    unique = list(dict.fromkeys(names))
    facts = []
    for part in (unique[start : start + 100] for start in range(0, len(unique), 100)):
        facts += client.describe_instance_types(InstanceTypes=part)["InstanceTypes"]
    return {
        fact["InstanceType"]: Kind(
            name=fact["InstanceType"],
            vcpus=fact["VCpuInfo"]["DefaultVCpus"],
            memory=fact["MemoryInfo"]["SizeInMiB"],
            burstable=bool(fact.get("BurstablePerformanceSupported")),
            zones=zones.get(fact["InstanceType"], ()),
        )
        for fact in facts
    }


def _describe_offers(config: Config) -> str:
    return f"aws ec2 describe-instance-type-offerings --region {config.region}"


def _check_memory(config: Config, kinds: Sequence[Kind], need: Need) -> list[Check]:
    """Compare what a person gets with what the image wants, and what all get with what a host has."""
    seats = load_seats()
    if config.notebook_memory != "auto":
        size = int(config.notebook_memory)
    elif config.placement == seats.SHARED:
        size = seats.NOTEBOOK_MEMORY
    else:
        return [
            Check(
                name="memory",
                status="warn",
                message=f"{kind.name} has {kind.memory / 1024:g} GiB, little for the notebook image: "
                "swapping makes it slow",
                fix="instance_type: t3.medium (4 GiB)",
            )
            for kind in kinds
            if kind.memory < _SMALL_MEMORY
        ]
    checks = []
    images = {config.notebook_image, *(member["image"] for member in config.members if member["image"])}
    for image in sorted(images):
        name = image.rpartition("/")[2].partition(":")[0].partition("@")[0]
        least = _SMALL_SEATS.get(name, _SMALL_SEAT)
        if size < least:
            message = f"a notebook may use {size} MB, and {name} wants {least}: its kernels will be killed"
            checks.append(Check(name="memory", status="warn", message=message, fix=f"notebook_memory: {least}"))
    for kind in kinds:
        wanted = need.seats[kind.name] * size + seats.HOST_MEMORY
        if wanted > kind.memory:
            count = need.seats[kind.name]
            who = f"{count} notebooks" if count > 1 else "a notebook"
            message = f"{who} of {size} MB and the system need more than {kind} has"
            fix = "fewer students_per_host, less notebook_memory, or a larger instance_type"
            checks.append(Check(name="memory", status="warn", message=message, fix=fix))
    return checks


def _check_credits(config: Config, kinds: Sequence[Kind], need: Need) -> list[Check]:
    checks = []
    for kind in (kind for kind in kinds if kind.burstable):
        count = need.hosts.get(kind.name, 0)
        if config.placement == "shared":
            message = f"several people share the CPU credits of a burstable {kind.name}, and a lab uses them up"
        elif count > _MANY_BURSTABLE:
            message = f"{count} burstable {kind.name} that run one lab at once exhaust their CPU credits"
        else:
            message = f"{kind.name} is burstable: steady work is slowed down once its CPU credits are used up"
        fix = "instance_type: m7i-flex.large for steady work"
        checks.append(Check(name="cpu", status="warn", message=message, fix=fix))
    return checks


def _describe_class(config: Config, need: Need) -> list[Check]:
    checks = []
    if len(config.members) > 1 or config.placement == "shared":
        made = [_describe_hosts(count, name, need.seats[name]) for name, count in need.hosts.items()]
        parts = [f"{len(config.members)} students", f"{need.seated} have a seat"]
        parts.append(f"{' and '.join(made)} will be made" if made else "no host has to be made")
        checks.append(Check(name="class", status="ok", message=", ".join(parts)))
    if need.gone and not config.prune:
        names = ", ".join(need.gone[:10]) + (f" and {len(need.gone) - 10} more" if len(need.gone) > 10 else "")
        message = f"{names}: a seat and no place in the class"
        fix = "add them again, or let `dstk up --prune` archive their work and remove them"
        checks.append(Check(name="gone", status="warn", message=message, fix=fix))
    return checks


def _describe_hosts(count: int, name: str, seats: int) -> str:
    kind = f"{count} {name}" if count == 1 else f"{count} hosts of {name}"
    return kind if seats == 1 else f"{kind} with {seats} seats{' each' if count > 1 else ''}"


def _check_network(config: Config, kinds: Mapping[str, Kind], need: Need) -> list[Check]:
    """Compare the hosts with the addresses that the subnets of a VPC of dstk's own have."""
    if config.vpc_id or not need.hosts:
        return []
    count = sum(need.hosts.values())
    size = ipaddress.IPv4Network(config.vpc_cidr).num_addresses >> _SUBNET_BITS
    zones = max(len(kinds[name].zones) for name in need.hosts)
    room = zones * (size - _TAKEN_ADDRESSES)
    if count <= room:
        return []
    message = f"{config.vpc_cidr} has room for {room} hosts in {zones} zones, and {count} are asked for"
    return [Check(name="vpc_cidr", status="fail", message=message, fix="such as 10.77.0.0/16", request=True)]


def _check_vcpus(
    quotas: Any,
    config: Config,
    kinds: Mapping[str, Kind],
    instances: Sequence[Mapping[str, Any]],
    need: Need,
) -> list[Check]:
    """Compare the vCPUs of the whole class with each quota that it touches, before the first launch."""
    asked: dict[str | None, int] = {}
    for counts in (need.hosts, need.started):
        for name, count in counts.items():
            code = find_vcpu_quota(name)
            asked[code] = asked.get(code, 0) + count * kinds[name].vcpus
    if not asked:
        asked = {find_vcpu_quota(config.instance_type): 0}
    running = [item for item in instances if item["State"]["Name"] in _AWAKE]
    vcpus = {name: kind.vcpus for name, kind in kinds.items()}
    return [judge_vcpus(quotas, code, more, running, vcpus, config.instance_type) for code, more in asked.items()]
