"""Checks of what the class needs: its instance types, the hosts that are still missing, and the room for them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from dstk_runner.checks_quotas import find_vcpu_quota, judge_addresses, judge_vcpus
from dstk_runner.checks_sizes import check_credits, check_memory
from dstk_runner.checks_spot import describe_spot_hosts
from dstk_runner.config import Config
from dstk_runner.needs import AWAKE, Kind, Need, find_need
from dstk_runner.resources import TAG
from dstk_runner.results import Check

__all__ = ["check_class", "find_instances", "find_kinds", "find_zones"]

SUBNET_BITS = 4
_TAKEN_ADDRESSES = 5
"""AWS keeps five addresses of every subnet; the role aws_network cuts a VPC into 2**4 subnets, one a zone."""


def check_class(client: Any, quotas: Any, config: Config) -> list[Check]:
    """Ask whether every type is offered, and whether what the whole class still needs fits into quota and network."""
    own = [member["instance_type"] for member in config.members]
    first = [config.instance_type] if not all(own) else []
    wanted = list(dict.fromkeys([*first, *filter(None, own), *config.instance_types]))
    zones = find_zones(client, wanted)
    missing = [name for name in wanted if not zones[name]]
    if missing:
        fix = f"choose another, such as t3.medium: {_describe_offers(config)}"
        message = f"{config.region} offers no {' and no '.join(missing)}"
        return [Check(name="instance_type", status="fail", message=message, fix=fix, request=True)]
    instances = find_instances(client)
    mine = [item for item in instances if {"Key": TAG, "Value": config.deployment} in item.get("Tags", ())]
    kinds = find_kinds(client, [*wanted, *(item["InstanceType"] for item in mine)], zones)
    need = find_need(config, kinds, mine)
    used = [kinds[name] for name in wanted]
    checks = [Check(name="instance_type", status="ok", message="; ".join(f"{k} in {', '.join(k.zones)}" for k in used))]
    checks += check_memory(config, used, need)
    checks += check_credits(config, used, need)
    checks += _describe_class(config, need)
    checks += _describe_types(config, wanted, mine)
    checks += describe_spot_hosts(config, mine)
    checks += _check_network(config, kinds, need)
    checks.append(_check_addresses(client, quotas, config, need, mine))
    return [*checks, *_check_vcpus(quotas, config, kinds, instances, need)]


def find_zones(client: Any, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the zones that offer each type."""
    offers = []
    for part in (names[start : start + 100] for start in range(0, len(names), 100)):
        pages = client.get_paginator("describe_instance_type_offerings").paginate(
            LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": part}]
        )
        offers += [offer for page in pages for offer in page["InstanceTypeOfferings"]]
    return {
        name: tuple(sorted(offer["Location"] for offer in offers if offer["InstanceType"] == name)) for name in names
    }


def find_instances(client: Any) -> list[Mapping[str, Any]]:
    """Return all instances of the account in the region that have not ended."""
    states = [*AWAKE, "stopping", "stopped"]
    pages = client.get_paginator("describe_instances").paginate(
        Filters=[{"Name": "instance-state-name", "Values": states}]
    )
    return [item for page in pages for reservation in page["Reservations"] for item in reservation["Instances"]]


def find_kinds(client: Any, names: Sequence[str], zones: Mapping[str, tuple[str, ...]]) -> dict[str, Kind]:
    """Return what the types have, by name."""
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


def _describe_types(config: Config, wanted: Sequence[str], mine: Sequence[Mapping[str, Any]]) -> list[Check]:
    """Say which hosts keep a type that the request does not name, as after `dstk resize`."""
    others = sorted({item["InstanceType"] for item in mine} - set(wanted))
    if not others:
        return []
    message = f"hosts that are {' and '.join(others)} stay so, and new ones would be {config.instance_type}"
    fix = f"instance_type: {others[0]}, if that is the one to have, or `dstk resize --type {config.instance_type}`"
    return [Check(name="type", status="warn", message=message, fix=fix)]


def _describe_hosts(count: int, name: str, seats: int) -> str:
    kind = f"{count} {name}" if count == 1 else f"{count} hosts of {name}"
    return kind if seats == 1 else f"{kind} with {seats} seats{' each' if count > 1 else ''}"


def _check_network(config: Config, kinds: Mapping[str, Kind], need: Need) -> list[Check]:
    """Compare the hosts with the addresses that the subnets of a VPC of dstk's own have."""
    if config.vpc_id or not need.hosts:
        return []
    count = sum(need.hosts.values())
    size = ipaddress.IPv4Network(config.vpc_cidr).num_addresses >> SUBNET_BITS
    zones = max(len(kinds[name].zones) for name in need.hosts)
    room = zones * (size - _TAKEN_ADDRESSES)
    if count <= room:
        return []
    message = f"{config.vpc_cidr} has room for {room} hosts in {zones} zones, and {count} are asked for"
    return [Check(name="vpc_cidr", status="fail", message=message, fix="such as 10.77.0.0/16", request=True)]


def _check_addresses(client: Any, quotas: Any, config: Config, need: Need, mine: Sequence[Mapping[str, Any]]) -> Check:
    """Compare the Elastic IPs that the hosts lack with those that the account may have."""
    known = client.describe_addresses()["Addresses"]
    own = [item for item in known if {"Key": TAG, "Value": config.deployment} in item.get("Tags", ())]
    hosts = len(mine) + sum(need.hosts.values())
    return judge_addresses(quotas, len(known), max(0, hosts - len(own)) if config.elastic_ip else 0)


def _check_vcpus(
    quotas: Any,
    config: Config,
    kinds: Mapping[str, Kind],
    instances: Sequence[Mapping[str, Any]],
    need: Need,
) -> list[Check]:
    """Compare the vCPUs of the whole class with each quota that it touches, before the first launch."""
    asked: dict[str | None, int] = {}
    for counts, spot in ((need.hosts, config.spot), (need.started, False), (need.started_spot, True)):
        for name, count in counts.items():
            code = find_vcpu_quota(name, spot=spot)
            asked[code] = asked.get(code, 0) + count * kinds[name].vcpus
    if not asked:
        asked = {find_vcpu_quota(config.instance_type, spot=config.spot): 0}
    running = [item for item in instances if item["State"]["Name"] in AWAKE]
    vcpus = {name: kind.vcpus for name, kind in kinds.items()}
    return [judge_vcpus(quotas, code, more, running, vcpus, config.instance_type) for code, more in asked.items()]
