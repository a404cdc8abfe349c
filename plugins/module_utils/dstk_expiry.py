"""Last snapshots go when nobody needs them any more: AWS itself deletes each after the day that its tag names."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.dstk_backup import EXPIRES_TAG, FINAL, KIND_TAG
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, filters, find_all, tags_of
from ansible.module_utils.dstk_role import Place, Role, make_document
from ansible.module_utils.dstk_schedule import find_expiry_group, find_expiry_role
from ansible.module_utils.dstk_schedule_group import ScheduleGroup, make_trust

POLICY = "delete-last-snapshots"
RETRIES = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 10}
"""One that somebody has deleted by hand is asked for a few times, and forgotten."""


@dataclass(frozen=True)
class Expiry:
    """The schedules by which the last snapshots of one deployment are deleted, and the role that may do so."""

    group: ScheduleGroup
    role: Role
    place: Place

    def ensure(self, snapshots: Iterable[Mapping[str, Any]]) -> None:
        """See to a schedule for each of these snapshots, and to nothing where no schedule is left to be carried out."""
        wanted = {row["SnapshotId"]: find_moment(tags_of(row)[EXPIRES_TAG]) for row in snapshots}
        there = self.group.find_names()
        missing = {key: moment for key, moment in wanted.items() if key not in there}
        if missing:
            self.role.ensure()
            self.group.ensure()
        for snapshot_id, moment in missing.items():
            self.group.create(snapshot_id, self._plan(snapshot_id, moment))
        for name in there:
            # a schedule that was carried out is gone by itself; this is of a snapshot that somebody else deleted
            if name not in wanted:
                self.group.delete(name)
        if not wanted:
            self.group.ensure_absent()
            self.role.ensure_absent()

    def _plan(self, snapshot_id: str, moment: str) -> dict[str, Any]:
        """Answer the schedule of a snapshot, as CreateSchedule takes it."""
        return {
            "ScheduleExpression": f"at({moment})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": f"arn:{self.place.partition}:scheduler:::aws-sdk:ec2:deleteSnapshot",
                "RoleArn": self.place.find_role_arn(self.role.name),
                "Input": json.dumps({"SnapshotId": snapshot_id}),
                "RetryPolicy": RETRIES,
            },
        }


def open_expiry(scheduler: Any, iam: Any, deployment: str, place: Place, *, check_mode: bool = False) -> Expiry:
    """Answer the schedules of a deployment, whose role may delete its last snapshots and is the scheduler's alone."""
    group, name = find_expiry_group(deployment), find_expiry_role(deployment, place.region)
    tags = {f"aws:ResourceTag/{DEPLOYMENT_TAG}": deployment, f"aws:ResourceTag/{KIND_TAG}": FINAL}
    allowed = {
        "Action": "ec2:DeleteSnapshot",
        "Resource": f"arn:{place.partition}:ec2:{place.region}::snapshot/*",
        "Condition": {"StringEquals": tags},
    }
    trust, policy = make_trust(place, group), make_document([allowed])
    role = Role(iam, name, deployment, trust, policy, POLICY, check_mode=check_mode)
    return Expiry(ScheduleGroup(scheduler, group, deployment, role.change), role, place)


def find_moment(expires: str) -> str:
    """Answer when the day is over that a tag such as 2026-12-26 names, UTC, as `at()` takes it."""
    day = datetime.date.fromisoformat(expires) + datetime.timedelta(days=1)
    return f"{day.isoformat()}T00:00:00"


def find_last_snapshots(client: Any, deployment: str) -> list[dict[str, Any]]:
    """Answer the last snapshots of a deployment's homes, as EC2 describes them."""
    asked = filters({f"tag:{DEPLOYMENT_TAG}": [deployment], f"tag:{KIND_TAG}": [FINAL], "tag-key": [EXPIRES_TAG]})
    return find_all(client, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=asked)
