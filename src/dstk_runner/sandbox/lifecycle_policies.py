"""Data Lifecycle Manager, which moto has not: policies that make a snapshot a day of volumes with a tag.

https://docs.aws.amazon.com/dlm/latest/APIReference/Welcome.html
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from dstk_runner.sandbox.ec2 import find_backend
from dstk_runner.sandbox.roles import find_trust
from dstk_runner.sandbox.wire import Call, Refusal, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SERVICE = "dlm.amazonaws.com"
ID_TAG, NAME_TAG, MANAGED_TAG = "aws:dlm:lifecycle-policy-id", "aws:dlm:lifecycle-schedule-name", "dlm:managed"
UTC = datetime.UTC

Policy = dict[str, Any]
_KEPT: dict[str, dict[str, Policy]] = {}
_SUMMARY = ("PolicyId", "Description", "State", "Tags")


def find_answer(call: Call, environ: WSGIEnvironment) -> dict[str, Any] | None:
    """Answer a call to Data Lifecycle Manager; None is for moto."""
    if call.service != "dlm":
        return None
    answer = _ANSWERS.get(call.action)
    if answer is None:
        raise Refusal("InvalidRequestException", f"the sandbox does not know {call.action}")
    body = json.loads(read_body(environ) or b"{}")
    policy_id = unquote(str(environ.get("PATH_INFO", ""))).strip("/").partition("/")[2]
    if policy_id:
        body["PolicyId"] = policy_id
        if policy_id not in _KEPT.setdefault(call.region, {}):
            raise Refusal("ResourceNotFoundException", f"there is no policy {policy_id}", status=404)
    body["asked"] = parse_qs(str(environ.get("QUERY_STRING", "")))
    return answer(call.region, body)


def _create(region: str, body: dict[str, Any]) -> dict[str, Any]:
    _check_role(body["ExecutionRoleArn"])
    own = {"PolicyId": f"policy-{uuid.uuid4().hex[:17]}", "DateCreated": datetime.datetime.now(UTC).isoformat()}
    keys = ("ExecutionRoleArn", "Description", "State", "PolicyDetails", "Tags")
    policies = _KEPT.setdefault(region, {})
    policies[own["PolicyId"]] = {"Tags": {}, **{key: body[key] for key in keys if key in body}, **own}
    return {"PolicyId": own["PolicyId"]}


def _update(region: str, body: dict[str, Any]) -> dict[str, Any]:
    if "ExecutionRoleArn" in body:
        _check_role(body["ExecutionRoleArn"])
    keys = ("ExecutionRoleArn", "Description", "State", "PolicyDetails")
    _KEPT[region][body["PolicyId"]] |= {key: body[key] for key in keys if key in body}
    return {}


def _get(region: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"Policy": _KEPT[region][body["PolicyId"]]}


def _list(region: str, body: dict[str, Any]) -> dict[str, Any]:
    wanted = set(body["asked"].get("targetTags", ()))
    rows = [row for row in _KEPT.get(region, {}).values() if not wanted or wanted & set(_find_targets(row))]
    return {"Policies": [{key: row[key] for key in _SUMMARY if key in row} for row in rows]}


def _delete(region: str, body: dict[str, Any]) -> dict[str, Any]:
    del _KEPT[region][body["PolicyId"]]
    return {}


def _find_targets(policy: Policy) -> list[str]:
    return [f"{tag['Key']}={tag['Value']}" for tag in policy["PolicyDetails"]["TargetTags"]]


def _check_role(arn: str) -> None:
    """Refuse a role that Data Lifecycle Manager may not take."""
    if not any(True for _ in find_trust(arn, SERVICE)):
        raise Refusal("InvalidRequestException", f"the role {arn} cannot be assumed by {SERVICE}")


def find_due(*, since: datetime.datetime, now: datetime.datetime) -> Iterator[tuple[datetime.datetime, str, Policy]]:
    """Yield each policy that had its time of the day after `since` and not after `now`: the last, region, policy."""
    for region, policies in _KEPT.items():
        for policy in policies.values():
            text = policy["PolicyDetails"]["Schedules"][0]["CreateRule"]["Times"][0]
            at = datetime.datetime.combine(now.date(), datetime.time.fromisoformat(text), tzinfo=UTC)
            at -= datetime.timedelta(days=at > now)
            if policy["State"] == "ENABLED" and since < at:
                yield at, region, policy


def carry_out(policy: Policy, region: str, client: Any) -> None:
    """Make a snapshot of each volume with a tag that the policy names, and delete those that are too many.

    Args:
        policy: as it was created.
        region: where.
        client: of EC2, as the policy's role.
    """
    [schedule] = policy["PolicyDetails"]["Schedules"]
    marks = {ID_TAG: policy["PolicyId"], NAME_TAG: schedule["Name"]}
    for target in policy["PolicyDetails"]["TargetTags"]:
        asked = [{"Name": f"tag:{target['Key']}", "Values": [target["Value"]]}]
        for volume in client.describe_volumes(Filters=asked)["Volumes"]:
            copied = volume["Tags"] if schedule.get("CopyTags") else []
            tags = {tag["Key"]: tag["Value"] for tag in copied if not tag["Key"].startswith("aws:")}
            tags |= {tag["Key"]: tag["Value"] for tag in schedule.get("TagsToAdd", ())} | {MANAGED_TAG: "true"}
            labels = [{"Key": key, "Value": value} for key, value in tags.items()]
            specifications = [{"ResourceType": "snapshot", "Tags": labels}]
            made = client.create_snapshot(VolumeId=volume["VolumeId"], TagSpecifications=specifications)
            # nobody but AWS may set these
            find_backend(region).tags.setdefault(made["SnapshotId"], {}).update(marks)
            _delete_old(client, policy["PolicyId"], volume["VolumeId"], int(schedule["RetainRule"]["Count"]))


def _delete_old(client: Any, policy_id: str, volume_id: str, count: int) -> None:
    asked = [{"Name": f"tag:{ID_TAG}", "Values": [policy_id]}, {"Name": "volume-id", "Values": [volume_id]}]
    rows = client.describe_snapshots(OwnerIds=["self"], Filters=asked)["Snapshots"]
    # several may be of one second; the sandbox lists them in the order in which they were made
    for row in rows[: max(0, len(rows) - count)]:
        client.delete_snapshot(SnapshotId=row["SnapshotId"])


_ANSWERS: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {
    "CreateLifecyclePolicy": _create,
    "DeleteLifecyclePolicy": _delete,
    "GetLifecyclePolicies": _list,
    "GetLifecyclePolicy": _get,
    "UpdateLifecyclePolicy": _update,
}
