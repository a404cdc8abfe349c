#!/usr/bin/python
"""Module: Session Manager reaches the instances of a deployment, or nothing is left of what that needs."""

from __future__ import annotations

import contextlib
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_bucket import bucket_name
from ansible.module_utils.dstk_profile import Access, ForeignError
from ansible.module_utils.dstk_role import find_place

DOCUMENTATION = """
module: dstk_profile
short_description: A profile and a bucket by which Session Manager reaches the instances of a deployment
version_added: "0.1.0"
author: dstk
description:
  - Makes a role and an instance profile of the deployment's name and region under the path C(/dstk/), with the managed
    policy C(AmazonSSMManagedInstanceCore), and a bucket through which Ansible's connection carries files. The bucket is
    private and encrypted, and its files expire after a day.
  - All bear the tag C(dstk:deployment). What has the name without the tag is somebody else's and a failure.
options:
  deployment:
    description: The beginning of the profile's name, and the value of the tag.
    type: str
    required: true
  state:
    description: C(present), or C(absent) for nothing of it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: Session Manager reaches the instances
  dstk_profile:
    deployment: csx450
"""

RETURN = """
profile:
  description: The name of the instance profile.
  type: str
  returned: always
bucket:
  description: The name of the bucket.
  type: str
  returned: always
changes:
  description: What was made or removed, or in check mode would be.
  type: list
  elements: str
  returned: always
"""


def open_access(module: Any) -> Access:
    """Return the parts of the deployment, as this module's caller sees them."""
    place = find_place(module)
    deployment = module.params["deployment"]
    return Access(
        module.client("iam"),
        module.client("s3"),
        deployment,
        bucket_name(deployment, place.account, place.region),
        place.region,
        partition=place.partition,
        check_mode=module.check_mode,
    )


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        access = open_access(module)
        if module.params["state"] == "absent":
            access.ensure_absent()
        else:
            access.ensure_bucket()
            access.ensure_profile()
    except ForeignError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Profile of {module.params['deployment']}")
    module.exit_json(changed=bool(access.changes), changes=access.changes, profile=access.name, bucket=access.bucket)


if __name__ == "__main__":
    main()
