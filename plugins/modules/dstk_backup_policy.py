#!/usr/bin/python
"""Module: AWS itself makes backups of a deployment's homes every day."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.dstk_backup import HOMES_TAG, TARGET_TAG, describe_policy, find_policy, find_role
from ansible.module_utils.dstk_ec2 import (
    DEPLOYMENT_TAG,
    chunks,
    ec2_client,
    filters,
    find_all,
    tag_list,
    tags_of,
    throttled,
)
from ansible.module_utils.dstk_expiry import find_last_snapshots, open_expiry
from ansible.module_utils.dstk_role import ForeignRoleError, Place, Role, call_patiently, find_place, make_document

DOCUMENTATION = """
module: dstk_backup_policy
short_description: AWS itself makes backups of a deployment's homes every day
version_added: "0.1.0"
author: dstk
description:
  - Keeps a policy of Data Lifecycle Manager for the deployment's data volumes, and a role of its own that may make and
    delete snapshots of these and nothing else.
  - The data volumes get the tag C(dstk:backup), by which the policy finds them.
  - An empty schedule is no policy and no role. Snapshots that were made stay.
options:
  deployment:
    description: The value of the tag C(dstk:deployment).
    type: str
    required: true
  schedule:
    description: C(at), a time of the day in UTC, and C(keep), how many snapshots are kept of each volume.
    type: dict
    default: {}
  last_snapshots:
    description:
      - C(expire) lets AWS itself delete each last snapshot of homes that were deleted (its tag C(dstk:kind) is
        C(final)) after the day of its tag C(dstk:expires), by a schedule of EventBridge Scheduler and a role that may
        do that and nothing else. Where there is no such snapshot, neither is left.
    type: str
    choices: [stay, expire]
    default: stay
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
"""

EXAMPLES = """
- name: The homes are backed up every night
  dstk_backup_policy:
    deployment: csx450
    schedule: {at: "03:00", keep: 7}
"""

RETURN = """
changes:
  description: What was made or removed, or in check mode would be.
  type: list
  elements: str
  returned: always
"""

ROLE_SECONDS = 60
"""How long AWS may take to know a role that IAM made a moment ago."""


@dataclass
class Curator:
    """Keeps the policy of one deployment."""

    dlm: Any
    role: Role
    role_arn: str
    deployment: str

    def ensure(self, details: Mapping[str, Any]) -> None:
        """See to one policy with these details."""
        self.role.ensure()
        wanted = {
            "ExecutionRoleArn": self.role_arn,
            "Description": describe_policy(self.deployment, details),
            "State": "ENABLED",
            "PolicyDetails": details,
        }
        first, *others = [*self.find(), None]
        if first is None:
            self._create({**wanted, "Tags": {DEPLOYMENT_TAG: self.deployment}})
        elif (first["Description"], first["State"]) != (wanted["Description"], "ENABLED"):
            self.role.change("policy", self.dlm.update_lifecycle_policy, PolicyId=first["PolicyId"], **wanted)
        # of a run whose answer was lost
        self._delete([row for row in others if row])

    def ensure_absent(self) -> None:
        """See to it that neither policy nor role is left. Without its role there is no policy."""
        if self.role.is_there():
            self._delete(self.find())
            self.role.ensure_absent()

    def find(self) -> list[dict[str, Any]]:
        """Answer the policies of the deployment."""
        asked = {"TargetTags": [f"{TARGET_TAG}={self.deployment}"]}
        rows = throttled(self.dlm.get_lifecycle_policies, **asked)["Policies"]
        return [row for row in rows if row.get("Tags", {}).get(DEPLOYMENT_TAG) == self.deployment]

    def _create(self, request: Mapping[str, Any]) -> None:
        call_patiently(
            lambda: self.role.change("policy", self.dlm.create_lifecycle_policy, **request),
            lambda error: "role" in str(error).lower(),
            ROLE_SECONDS,
        )

    def _delete(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.role.change("no policy", self.dlm.delete_lifecycle_policy, PolicyId=row["PolicyId"])


def open_curator(module: Any, place: Place) -> Curator:
    """Return the policy of the deployment, as this module's caller sees it."""
    account, partition = place.account, place.partition
    deployment = module.params["deployment"]
    here = f"arn:{partition}:ec2:{module.region}"
    tagged = {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": deployment}}
    asked = ["ec2:DescribeInstances", "ec2:DescribeSnapshots", "ec2:DescribeVolumes"]
    changes = ["ec2:CreateTags", "ec2:CreateSnapshot"]
    # as AWS's own policy for it, but for this deployment's volumes and snapshots alone:
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSDataLifecycleManagerServiceRole.html
    policy = make_document(
        [
            {"Action": asked, "Resource": "*"},
            {"Action": "ec2:CreateSnapshot", "Resource": f"{here}:{account}:volume/*", "Condition": tagged},
            {"Action": changes, "Resource": f"{here}::snapshot/*"},
            {"Action": "ec2:DeleteSnapshot", "Resource": f"{here}::snapshot/*", "Condition": tagged},
        ]
    )
    source = {"StringEquals": {"aws:SourceAccount": account}}
    trust = {"Principal": {"Service": "dlm.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": source}
    name = find_role(deployment, place.region)
    role = Role(
        module.client("iam"), name, deployment, make_document([trust]), policy, "backup", check_mode=module.check_mode
    )
    return Curator(module.client("dlm"), role, place.find_role_arn(name), deployment)


def ensure_targets(module: Any, curator: Curator) -> None:
    """See to the tag of the data volumes by which the policy finds them."""
    client, deployment = ec2_client(module), curator.deployment
    asked = filters({f"tag:{DEPLOYMENT_TAG}": [deployment], "tag-key": [HOMES_TAG]})
    rows = find_all(client, "describe_volumes", "Volumes", Filters=asked)
    missing = [row["VolumeId"] for row in rows if tags_of(row).get(TARGET_TAG) != deployment]
    labels = tag_list({TARGET_TAG: deployment})
    for part in chunks(missing):
        curator.role.change(f"tag of {', '.join(part)}", client.create_tags, Resources=part, Tags=labels)


def main() -> None:
    """Run the module."""
    module = AnsibleAWSModule(
        argument_spec={
            "deployment": {"type": "str", "required": True},
            "schedule": {"type": "dict", "default": {}},
            "last_snapshots": {"type": "str", "choices": ["stay", "expire"], "default": "stay"},
        },
        supports_check_mode=True,
    )
    schedule, deployment = module.params["schedule"], module.params["deployment"]
    try:
        place = find_place(module)
        curator = open_curator(module, place)
        if schedule:
            ensure_targets(module, curator)
            curator.ensure(find_policy(curator.deployment, schedule))
        else:
            curator.ensure_absent()
        if module.params["last_snapshots"] == "expire":
            clients = module.client("scheduler"), module.client("iam")
            expiry = open_expiry(*clients, deployment, place, check_mode=module.check_mode)
            expiry.ensure(find_last_snapshots(ec2_client(module), deployment))
            curator.role.changes += expiry.role.changes
    except ForeignRoleError as error:
        module.fail_json(msg=str(error))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"Backups of {deployment}")
    module.exit_json(changed=bool(curator.role.changes), changes=curator.role.changes)


if __name__ == "__main__":
    main()
