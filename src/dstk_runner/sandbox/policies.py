"""What the policies of IAM's users and roles allow.

Of conditions, those on tags are looked at where instances are started or stopped and where snapshots are deleted, and
which policy is meant where one is attached to a role or detached. Resources are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.access_control import AssumedRoleAccessKey, CreateAccessKeyFailure, IAMUserAccessKey
from moto.iam.models import Policy

from dstk_runner.sandbox.ec2 import find_backend, find_instances
from dstk_runner.sandbox.operations import find_permissions
from dstk_runner.sandbox.wire import Call, Refusal

#: What nobody can be forbidden: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = frozenset({"sts:GetCallerIdentity"})

#: What is allowed by the tag of what it is done to: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_tags.html
_TURNS = frozenset({"StartInstances", "StopInstances"})
_BY_TAG = _TURNS | {"DeleteSnapshot"}
_TAG = "aws:ResourceTag/"
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
_BY_POLICY = frozenset({"AttachRolePolicy", "DetachRolePolicy"})
_POLICY = "iam:PolicyARN"


def check_permission(call: Call, token: str | None) -> None:
    """Refuse what the policies of the caller, a user or a role of the sandbox's IAM, do not allow.

    Args:
        call: the call; its key is known.
        token: of the session, where a role calls.
    """
    try:
        statements = list(_find_statements(str(call.access_key_id), token))
    except CreateAccessKeyFailure:  # the token is not that of the key
        statements = []
    statements = [item for item in statements if _is_tagged(item, call) and _is_of_policy(item, call)]
    for permission in find_permissions(call.service, call.action):
        if permission not in _FREE and not is_allowed(permission, statements):
            raise _refuse(call, permission)


def is_allowed(permission: str, statements: list[Mapping[str, Any]]) -> bool:
    """Say whether statements allow a permission, and none without a condition denies it."""
    concerned = [statement for statement in statements if _concerns(statement, permission)]
    denied = any(item["Effect"] == "Deny" and "Condition" not in item for item in concerned)
    return not denied and any(item["Effect"] == "Allow" for item in concerned)


def _is_tagged(statement: Mapping[str, Any], call: Call) -> bool:
    """Say whether all that a call starts, stops or deletes bears the tags that a statement asks for."""
    if call.service != "ec2" or call.action not in _BY_TAG:
        return True
    wanted = {
        key.removeprefix(_TAG): value
        for key, value in statement.get("Condition", {}).get("StringEquals", {}).items()
        if key.startswith(_TAG)
    }
    return all(wanted.items() <= tags.items() for tags in _find_bearers(call))


def _is_of_policy(statement: Mapping[str, Any], call: Call) -> bool:
    """Say whether the policy that a call attaches or detaches is one that a statement asks for."""
    if call.service != "iam" or call.action not in _BY_POLICY:
        return True
    conditions = [statement.get("Condition", {}).get(kind, {}) for kind in ("ArnEquals", "ArnLike")]
    asked = [_as_list(condition[_POLICY]) for condition in conditions if _POLICY in condition]
    arn = str(call.params.get("PolicyArn"))
    return all(any(fnmatchcase(arn, pattern) for pattern in patterns) for patterns in asked)


def _find_bearers(call: Call) -> list[dict[str, str]]:
    """Return the tags of each instance, or of the snapshot, that a call names."""
    found: list[Any] = []
    if call.action in _TURNS:
        named = set(call.find_list("InstanceId"))
        found = [item for backend, item in find_instances() if item.id in named and backend.region_name == call.region]
    elif snapshot := find_backend(call.region).snapshots.get(str(call.params.get("SnapshotId"))):
        found = [snapshot]
    return [{tag["key"]: tag["value"] for tag in item.get_tags()} for item in found]


def _concerns(statement: Mapping[str, Any], permission: str) -> bool:
    key = "NotAction" if "NotAction" in statement else "Action"
    matches = any(fnmatchcase(permission.lower(), pattern.lower()) for pattern in _as_list(statement[key]))
    return matches if key == "Action" else not matches


def _as_list(named: str | list[str]) -> list[str]:
    return [named] if isinstance(named, str) else named


def _find_statements(access_key_id: str, token: str | None) -> Iterator[Mapping[str, Any]]:
    headers = {"X-Amz-Security-Token": token} if token else {}
    kind = AssumedRoleAccessKey if token else IAMUserAccessKey
    for policy in kind(DEFAULT_ACCOUNT_ID, "aws", access_key_id, headers).collect_policies():
        if isinstance(policy, Policy):
            document = next(version.document for version in policy.versions if version.is_default)
        else:
            document = policy if isinstance(policy, str) else policy["policy_document"]
        found = json.loads(document)["Statement"]
        yield from [found] if isinstance(found, dict) else found


def _refuse(call: Call, permission: str) -> Refusal:
    if call.protocol == "ec2":
        message = f"You are not authorized to perform this operation. The caller may not {permission}."
        return Refusal("UnauthorizedOperation", message, status=403)
    code = "AccessDeniedException" if call.protocol == "json" else "AccessDenied"
    message = f"The caller is not authorized to perform: {permission}"
    return Refusal(code, message, status=400 if call.protocol == "json" else 403)
