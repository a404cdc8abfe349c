"""What a region offers: instance types, the zones that have them, and images to launch from."""

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


def find_images(client: Any, *, owner: str, name: str) -> dict[str, dict[str, str]]:
    """Answer image_id, root_device_name and name of the newest image of each architecture.

    Args:
        client: EC2.
        owner: the account that publishes the images.
        name: how it names them, with wildcards, and with `{architecture}` for the architecture.
    """
    by = filters(
        {
            "name": [name.replace("{architecture}", "*")],
            "architecture": list(ARCHITECTURES),
            "state": ["available"],
            "virtualization-type": ["hvm"],
        }
    )
    found = throttled(client.describe_images, Owners=[owner], Filters=by)["Images"]
    keys = {"image_id": "ImageId", "root_device_name": "RootDeviceName", "name": "Name"}
    return {
        image["Architecture"]: {ours: image[theirs] for ours, theirs in keys.items()}
        for image in sorted(found, key=lambda image: str(image["CreationDate"]))
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
