#!/usr/bin/python
"""Module: AWS itself deletes the last snapshots of a deployment's homes when their day has come."""

from __future__ import annotations

import contextlib

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_backup import EXPIRES_TAG
from ansible.module_utils.dstk_ec2 import ec2_client, tags_of
from ansible.module_utils.dstk_expiry import Place, find_last_snapshots, open_expiry
from ansible.module_utils.dstk_role import ForeignRoleError

DOCUMENTATION = """
module: dstk_snapshot_expiry
short_description: AWS itself deletes last snapshots when their day has come
version_added: "0.1.0"
author: dstk
description:
  - Keeps a schedule of EventBridge Scheduler for each last snapshot of the deployment (its tag C(dstk:kind) is
    C(final)), which deletes it after the day of its tag C(dstk:expires), and a role that may do that and nothing else.
  - Where there is no such snapshot, neither schedules nor role are left.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The last snapshots go when nobody needs them any more
  dstk_snapshot_expiry:
    deployment: csx450
"""

RETURN = """
expires:
  description: The day after which AWS deletes it, by snapshot.
  type: dict
  returned: always
changes:
  description: What was made or removed, or in check mode would be.
  type: list
  elements: str
  returned: always
"""


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(argument_spec={"deployment": {"type": "str", "required": True}}, supports_check_mode=True)
    deployment = module.params["deployment"]
    try:
        identity = module.client("sts").get_caller_identity()
        place = Place(module.region, identity["Account"], identity["Arn"].split(":")[1])
        expiry = open_expiry(
            module.client("scheduler"), module.client("iam"), deployment, place, check_mode=module.check_mode
        )
        snapshots = find_last_snapshots(ec2_client(module), deployment)
        expiry.ensure(snapshots)
    except ForeignRoleError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"The last snapshots of {deployment}")
    expires = {row["SnapshotId"]: tags_of(row)[EXPIRES_TAG] for row in snapshots}
    module.exit_json(changed=bool(expiry.role.changes), changes=expiry.role.changes, expires=expires)


if __name__ == "__main__":
    main()
