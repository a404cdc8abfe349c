"""A role of IAM that a service of AWS takes to work for one deployment, and which may do that and nothing else."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, tag_list, tags_of, throttled
from ansible.module_utils.dstk_schedule import PATH

GONE = frozenset({"NoSuchEntity", "NotFoundException", "ResourceNotFoundException"})


class ForeignRoleError(Exception):
    """A role, or a policy of one, has the name, and is somebody else's; the message says what to do."""

    def __init__(self, kind: str, name: str, deployment: str) -> None:
        """Take what has the name, and the deployment whose it is not."""
        super().__init__(
            f"the account has a {kind} {name} already, which is not of the deployment {deployment}\n"
            "Fix: choose another `deployment`, or delete it"
        )


def make_document(statements: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Answer a policy document that allows these, but those that say what else they do."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}


def find(call: Callable[..., Any], **request: Any) -> dict[str, Any] | None:
    """Answer what a call answers, None where there is no such thing."""
    try:
        return dict(throttled(call, **request))
    except ClientError as error:
        if error_code(error) in GONE:
            return None
        raise


def call_patiently(call: Callable[[], Any], is_early: Callable[[ClientError], bool], seconds: float) -> Any:
    """Answer what call() answers; for so long try again what failed because it is too early, as for a role that is new.

    Raises:
        ClientError: what AWS said last, or said of something else.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except ClientError as error:
            if not is_early(error) or time.monotonic() >= deadline:
                raise
        time.sleep(2)


@dataclass(frozen=True)
class Place:
    """Where a deployment is."""

    region: str
    account: str
    partition: str = "aws"

    def find_role_arn(self, name: str) -> str:
        """Answer the ARN of a role of dstk's."""
        return f"arn:{self.partition}:iam::{self.account}:role{PATH}{name}"

    def find_policy_arn(self, name: str) -> str:
        """Answer the ARN of a policy of dstk's."""
        return f"arn:{self.partition}:iam::{self.account}:policy{PATH}{name}"


def find_place(module: Any) -> Place:
    """Answer where the caller of a module is; AWS is asked who that is."""
    identity = module.client("sts").get_caller_identity()
    return Place(module.region, identity["Account"], identity["Arn"].split(":")[1])


@dataclass
class Role:
    """The role; `changes` are what was made or removed, or in check mode would be."""

    iam: Any
    name: str
    deployment: str
    trust: Mapping[str, Any]
    policy: Mapping[str, Any]
    policy_name: str
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)

    def is_there(self) -> bool:
        """Answer whether it is there.

        Raises:
            ForeignRoleError: the name is taken.
        """
        found = self._find()
        if found and not self._owns(found):
            raise ForeignRoleError("role", self.name, self.deployment)
        return found is not None

    def is_own(self) -> bool:
        """Answer whether it is there, and of this deployment."""
        found = self._find()
        return found is not None and self._owns(found)

    def ensure(self) -> None:
        """See to the role, and to what it may do."""
        there = self.is_there()
        if not there:
            labels, trust = tag_list({DEPLOYMENT_TAG: self.deployment}), json.dumps(self.trust)
            request = {"RoleName": self.name, "Path": PATH, "AssumeRolePolicyDocument": trust, "Tags": labels}
            self.change(f"role {self.name}", self.iam.create_role, **request)
        named = {"RoleName": self.name, "PolicyName": self.policy_name}
        known = find(self.iam.get_role_policy, **named) if there else None
        if not known or known["PolicyDocument"] != self.policy:
            document = json.dumps(self.policy)
            self.change(f"policy of {self.name}", self.iam.put_role_policy, PolicyDocument=document, **named)

    def ensure_absent(self) -> None:
        """See to it that the role is gone; one of that name which is somebody else's stays."""
        if self.is_own():
            named = {"RoleName": self.name, "PolicyName": self.policy_name}
            if find(self.iam.get_role_policy, **named):
                self.change(f"no policy of {self.name}", self.iam.delete_role_policy, **named)
            self.change(f"no role {self.name}", self.iam.delete_role, RoleName=self.name)

    def change(self, what: str, call: Callable[..., Any], **request: Any) -> Any:
        """Call, but in check mode; either way it is told."""
        answer = None if self.check_mode else throttled(call, **request)
        self.changes.append(what)
        return answer

    def _find(self) -> dict[str, Any] | None:
        found = find(self.iam.get_role, RoleName=self.name)
        return found["Role"] if found else None

    def _owns(self, role: Mapping[str, Any]) -> bool:
        return tags_of(role).get(DEPLOYMENT_TAG) == self.deployment
