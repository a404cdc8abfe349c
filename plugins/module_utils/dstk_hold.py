"""What keeps schedules from starting hosts once a budget is spent: a policy that AWS Budgets attaches to their role."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, tag_list, tags_of
from ansible.module_utils.dstk_role import ForeignRoleError, Place, find, make_document
from ansible.module_utils.dstk_schedule import PATH, find_hold, find_role

DOCUMENT = make_document([{"Effect": "Deny", "Action": "ec2:StartInstances", "Resource": "*"}])
"""It stands above whatever else the role is allowed. Stops, and the end, go on."""


@dataclass(frozen=True)
class Hold:
    """The policy of one deployment. `change` makes a call, but in check mode, and notes what it is told that this does.

    It is attached by an action of the budget alone; what is attached is in force.
    """

    iam: Any
    deployment: str
    place: Place
    change: Callable[..., Any]

    @property
    def role(self) -> str:
        """The role that it is attached to: that of the schedules."""
        return find_role(self.deployment, self.place.region)

    @property
    def arn(self) -> str:
        """The policy's ARN."""
        return self.place.find_policy_arn(find_hold(self.deployment, self.place.region))

    @property
    def definition(self) -> dict[str, Any]:
        """What an action of AWS Budgets does with it."""
        return {"IamActionDefinition": {"PolicyArn": self.arn, "Roles": [self.role]}}

    @property
    def statement(self) -> dict[str, Any]:
        """What the role of such an action has to be allowed: to attach this policy to that role, and no other."""
        return {
            "Action": ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
            "Resource": self.place.find_role_arn(self.role),
            "Condition": {"ArnEquals": {"iam:PolicyARN": self.arn}},
        }

    def ensure(self) -> None:
        """See to the policy.

        Raises:
            ForeignRoleError: the name is taken.
        """
        name = find_hold(self.deployment, self.place.region)
        if (owner := self._find_owner()) is None:
            labels, document = tag_list({DEPLOYMENT_TAG: self.deployment}), json.dumps(DOCUMENT)
            request = {"PolicyName": name, "Path": PATH, "PolicyDocument": document, "Tags": labels}
            self.change(f"policy {name}", self.iam.create_policy, **request)
        elif owner != self.deployment:
            raise ForeignRoleError("policy", name, self.deployment)

    def is_attached(self) -> bool:
        """Answer whether no schedule starts hosts."""
        attached = find(self.iam.list_attached_role_policies, RoleName=self.role)
        return attached is not None and any(row["PolicyArn"] == self.arn for row in attached["AttachedPolicies"])

    def lift(self) -> None:
        """See to it that schedules start hosts again."""
        if self.is_attached():
            self.change("schedules start hosts", self.iam.detach_role_policy, RoleName=self.role, PolicyArn=self.arn)

    def ensure_absent(self) -> None:
        """See to it that the policy is attached to nothing, and gone; one that is somebody else's stays."""
        if self._find_owner() == self.deployment:
            self.lift()
            self.change(f"no policy {self.arn}", self.iam.delete_policy, PolicyArn=self.arn)

    def _find_owner(self) -> str | None:
        """Answer the deployment whose it is, nothing where its tag says none, and None where there is no policy."""
        found = find(self.iam.get_policy, PolicyArn=self.arn)
        return tags_of(found["Policy"]).get(DEPLOYMENT_TAG, "") if found else None
