#!/usr/bin/python
"""Module: what an instance type is, and which zones of the region offer it."""

from __future__ import annotations

import contextlib

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import ec2_client, error_code, filters, find_all, throttled

DOCUMENTATION = """
module: dstk_instance_type_info
short_description: What an instance type is, and which zones offer it
version_added: "0.1.0"
author: dstk
description:
  - Asks EC2 for the architecture, the processors and the memory of an instance type, and for the availability zones
    of the region that offer it. amazon.aws has no module for either.
options:
  instance_type:
    description: The type, such as C(t3.medium).
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The instance type is known
  dstk_instance_type_info:
    instance_type: t3.medium
    region: us-west-2
  register: __role_type
"""

RETURN = """
architecture:
  description: C(x86_64) or C(arm64).
  type: str
  returned: always
ubuntu_architecture:
  description: The same in the words of Canonical's image names, C(amd64) or C(arm64).
  type: str
  returned: always
vcpus:
  description: Number of virtual processors.
  type: int
  returned: always
memory_mib:
  description: Memory in MiB.
  type: int
  returned: always
zones:
  description: Availability zones of the region that offer the type, sorted.
  type: list
  elements: str
  returned: always
"""

ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}


def find_type(client, name: str) -> dict:
    """Answer what the type is."""
    found = throttled(client.describe_instance_types, InstanceTypes=[name])["InstanceTypes"][0]
    architectures = found["ProcessorInfo"]["SupportedArchitectures"]
    architecture = next(kind for kind in ARCHITECTURES if kind in architectures)
    return {
        "architecture": architecture,
        "ubuntu_architecture": ARCHITECTURES[architecture],
        "vcpus": found["VCpuInfo"]["DefaultVCpus"],
        "memory_mib": found["MemoryInfo"]["SizeInMiB"],
    }


def find_zones(client, name: str) -> list[str]:
    """Answer which zones offer the type; local zones are left out, for they lack much of what a region has."""
    offers = find_all(
        client,
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=filters({"instance-type": [name]}),
    )
    zones = throttled(client.describe_availability_zones, Filters=filters({"state": ["available"]}))
    usable = {
        zone["ZoneName"]
        for zone in zones["AvailabilityZones"]
        if zone.get("ZoneType", "availability-zone") == "availability-zone"
    }
    return sorted(usable & {offer["Location"] for offer in offers})


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={"instance_type": {"type": "str", "required": True}}, supports_check_mode=True
    )
    name = module.params["instance_type"]
    try:
        client = ec2_client(module)
        answer = find_type(client, name)
        zones = find_zones(client, name)
    except (BotoCoreError, ClientError) as error:
        if error_code(error) != "InvalidInstanceType":
            module.fail_json_aws(error, msg=f"Instance type {name}")
        zones = []
    if not zones:
        module.fail_json(
            msg=f"no zone of {module.region} offers the instance type {name}\n"
            "Fix: choose another `instance_type`, or a `region` that offers it"
        )
    module.exit_json(changed=False, zones=zones, **answer)


if __name__ == "__main__":
    main()
