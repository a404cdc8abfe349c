"""Last snapshots go when nobody needs them any more: AWS itself deletes each after the day that its tag names."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_backup import EXPIRES_TAG, FINAL, KIND_TAG
from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, filters, find_all, tag_list, tags_of, throttled
from ansible.module_utils.dstk_role import GONE, ForeignRoleError, Role, find, make_document
from ansible.module_utils.dstk_schedule import PATH, find_expiry_group, find_expiry_role

POLICY = "delete-last-snapshots"
ROLE_SECONDS = 60
"""How long the scheduler may take to know a role that IAM made a moment ago."""
RETRIES = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 10}
"""One that somebody has deleted by hand is asked for a few times, and forgotten."""


@dataclass(frozen=True)
class Place:
    """Where the deployment is."""

    region: str
    account: str
    partition: str = "aws"


@dataclass
class Expiry:
    """The schedules by which the last snapshots of one deployment are deleted, and the role that may do so."""

    scheduler: Any
    role: Role
    role_arn: str
    deployment: str
    partition: str = "aws"

    @property
    def group(self) -> str:
        """The schedule group."""
        return find_expiry_group(self.deployment)

    def ensure(self, snapshots: Iterable[Mapping[str, Any]]) -> None:
        """See to a schedule for each of these snapshots, and to nothing where no schedule is left to be carried out."""
        wanted = {row["SnapshotId"]: find_moment(tags_of(row)[EXPIRES_TAG]) for row in snapshots}
        there = self.find_names()
        missing = {key: moment for key, moment in wanted.items() if key not in there}
        if missing:
            self.role.ensure()
            if find(self.scheduler.get_schedule_group, Name=self.group) is None:
                labels = tag_list({DEPLOYMENT_TAG: self.deployment})
                self.role.change("schedule group", self.scheduler.create_schedule_group, Name=self.group, Tags=labels)
        for snapshot_id, moment in missing.items():
            self._create(snapshot_id, moment)
        for name in there:
            # a schedule that was carried out is gone by itself; this is of a snapshot that somebody else deleted
            if name not in wanted:
                self._forgive(f"no schedule {name}", self.scheduler.delete_schedule, Name=name, GroupName=self.group)
        if not wanted:
            self._ensure_absent()

    def _ensure_absent(self) -> None:
        if find(self.scheduler.get_schedule_group, Name=self.group):
            self._forgive("no schedule group", self.scheduler.delete_schedule_group, Name=self.group)
        with contextlib.suppress(ForeignRoleError):
            self.role.ensure_absent()

    def find_names(self) -> list[str]:
        """Answer the names of the group's schedules: they are those of the snapshots."""
        pager = self.scheduler.get_paginator("list_schedules")
        try:
            pages = throttled(lambda: list(pager.paginate(GroupName=self.group)))
        except ClientError as error:
            if error_code(error) in GONE:
                return []
            raise
        return [row["Name"] for page in pages for row in page["Schedules"]]

    def _create(self, snapshot_id: str, moment: str) -> None:
        request = {
            "Name": snapshot_id,
            "GroupName": self.group,
            "ScheduleExpression": f"at({moment})",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": f"arn:{self.partition}:scheduler:::aws-sdk:ec2:deleteSnapshot",
                "RoleArn": self.role_arn,
                "Input": json.dumps({"SnapshotId": snapshot_id}),
                "RetryPolicy": RETRIES,
            },
        }
        deadline = time.monotonic() + ROLE_SECONDS
        while True:
            try:
                return self.role.change(f"schedule {snapshot_id}", self.scheduler.create_schedule, **request)
            except ClientError as error:
                if error_code(error) == "ConflictException":  # an answer was lost, or another run was quicker
                    return None
                if "assume the role" not in str(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(2)

    def _forgive(self, what: str, call: Any, **request: Any) -> None:
        try:
            self.role.change(what, call, **request)
        except ClientError as error:
            if error_code(error) not in GONE:
                raise


def open_expiry(scheduler: Any, iam: Any, deployment: str, place: Place, *, check_mode: bool = False) -> Expiry:
    """Answer the schedules of a deployment, whose role may delete its last snapshots and is the scheduler's alone."""
    group, name = find_expiry_group(deployment), find_expiry_role(deployment, place.region)
    source = f"arn:{place.partition}:scheduler:{place.region}:{place.account}:schedule-group/{group}"
    trust = {
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": place.account, "aws:SourceArn": source}},
    }
    tags = {f"aws:ResourceTag/{DEPLOYMENT_TAG}": deployment, f"aws:ResourceTag/{KIND_TAG}": FINAL}
    allowed = {
        "Action": "ec2:DeleteSnapshot",
        "Resource": f"arn:{place.partition}:ec2:{place.region}::snapshot/*",
        "Condition": {"StringEquals": tags},
    }
    role = Role(iam, name, deployment, make_document([trust]), make_document([allowed]), POLICY, check_mode=check_mode)
    arn = f"arn:{place.partition}:iam::{place.account}:role{PATH}{name}"
    return Expiry(scheduler, role, arn, deployment, place.partition)


def find_moment(expires: str) -> str:
    """Answer when the day is over that a tag such as 2026-12-26 names, UTC, as `at()` takes it."""
    day = datetime.date.fromisoformat(expires) + datetime.timedelta(days=1)
    return f"{day.isoformat()}T00:00:00"


def find_last_snapshots(client: Any, deployment: str) -> list[dict[str, Any]]:
    """Answer the last snapshots of a deployment's homes, as EC2 describes them."""
    asked = filters({f"tag:{DEPLOYMENT_TAG}": [deployment], f"tag:{KIND_TAG}": [FINAL], "tag-key": [EXPIRES_TAG]})
    return find_all(client, "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=asked)
