"""What instance types are, and which zones of the region offer them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import chunks, error_code, filters, find_all, throttled

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
DESCRIBED = 100
"""Types that DescribeInstanceTypes takes by name."""


def find_types(client: Any, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Answer architecture, processors, memory and zones of each type that the region knows, by name."""
    unique = list(dict.fromkeys(names))
    zones = find_zones(client, unique)
    found = [item for part in chunks(unique, DESCRIBED) for item in _describe(client, part)]
    return {item["InstanceType"]: {**_summarise(item), "zones": zones.get(item["InstanceType"], [])} for item in found}


def find_zones(client: Any, names: Sequence[str]) -> dict[str, list[str]]:
    """Answer which zones offer each type; local zones are left out, for they lack much of what a region has."""
    offers = [
        offer
        for part in chunks(names)
        for offer in find_all(
            client,
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            LocationType="availability-zone",
            Filters=filters({"instance-type": part}),
        )
    ]
    zones = throttled(client.describe_availability_zones, Filters=filters({"state": ["available"]}))
    usable = {
        zone["ZoneName"]
        for zone in zones["AvailabilityZones"]
        if zone.get("ZoneType", "availability-zone") == "availability-zone"
    }
    return {
        name: sorted(usable & {offer["Location"] for offer in offers if offer["InstanceType"] == name})
        for name in names
    }


def _describe(client: Any, names: list[str]) -> list[dict[str, Any]]:
    """Describe types; one that nobody knows refuses the whole call, and is found by asking for each."""
    try:
        return list(throttled(client.describe_instance_types, InstanceTypes=names)["InstanceTypes"])
    except ClientError as error:
        if error_code(error) != "InvalidInstanceType":
            raise
    return [] if len(names) == 1 else [item for name in names for item in _describe(client, [name])]


def _summarise(found: dict[str, Any]) -> dict[str, Any]:
    architectures = found["ProcessorInfo"]["SupportedArchitectures"]
    architecture = next(kind for kind in ARCHITECTURES if kind in architectures)
    return {
        "architecture": architecture,
        "ubuntu_architecture": ARCHITECTURES[architecture],
        "vcpus": found["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": found["MemoryInfo"]["SizeInMiB"],
    }
