#!/usr/bin/python
"""Module: what an instance type is, and which zones of the region offer it."""

from __future__ import annotations

import contextlib

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_ec2 import ec2_client
from ansible.module_utils.dstk_types import find_types

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


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={"instance_type": {"type": "str", "required": True}}, supports_check_mode=True
    )
    name = module.params["instance_type"]
    try:
        found = find_types(ec2_client(module), [name]).get(name, {})
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Instance type {name}")
    if not found.get("zones"):
        module.fail_json(
            msg=f"no zone of {module.region} offers the instance type {name}\n"
            "Fix: choose another `instance_type`, or a `region` that offers it"
        )
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
