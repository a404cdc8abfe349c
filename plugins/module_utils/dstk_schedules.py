"""The schedules by which AWS itself starts and stops hosts, and the role that may do so and nothing else."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, tag_list, tags_of, throttled
from ansible.module_utils.dstk_role import GONE, find, make_document
from ansible.module_utils.dstk_schedule import (
    LEAD,
    PATH,
    SPREAD,
    cron,
    find_group,
    find_role,
    format_moment,
    parse_times,
)

POLICY = "stop-and-start"
PATIENCE = 3600
"""Seconds after which AWS gives up a start or stop that EC2 refuses."""
AT_ONCE = 8
"""Calls under way at a time. AWS takes 250 a second in its small regions
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html)."""
ROLE_SECONDS = 60
"""How long the scheduler may take to know a role that IAM made a moment ago."""
TARGETS = {
    "start": "aws-sdk:ec2:startInstances",
    "stop": "aws-sdk:ec2:stopInstances",
    "end": "aws-sdk:ec2:stopInstances",
}


class ForeignError(Exception):
    """A role has the name, and is somebody else's; the message says what to do."""


def find_schedules(
    instance_ids: Iterable[str],
    schedule: Mapping[str, Any],
    end: datetime.datetime,
    *,
    partition: str,
    role_arn: str,
    now: datetime.datetime,
) -> dict[str, dict[str, Any]]:
    """Answer the schedules of hosts by name, each as CreateSchedule takes it; none where the end is past."""
    if end <= now:
        return {}
    zone = str(schedule.get("timezone", "UTC"))
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": SPREAD}
    turns = {}
    if schedule.get("start"):
        turns["start"] = parse_times(str(schedule["start"])).earlier(LEAD)
    if schedule.get("stop"):
        turns["stop"] = parse_times(str(schedule["stop"]))
    plans = {
        kind: {
            "ScheduleExpression": cron(times),
            "ScheduleExpressionTimezone": zone,
            "EndDate": end,
            "FlexibleTimeWindow": window,
        }
        for kind, times in turns.items()
    }
    plans["end"] = {
        "ScheduleExpression": f"at({format_moment(end).removesuffix('Z')})",
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": window,
    }
    return dict(_name_all(instance_ids, plans, partition=partition, role_arn=role_arn))


def _name_all(
    instance_ids: Iterable[str], plans: Mapping[str, dict[str, Any]], *, partition: str, role_arn: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each host's schedules under names that hold a hash of what they are."""
    for instance_id in instance_ids:
        for kind, plan in plans.items():
            target = {
                "Arn": f"arn:{partition}:scheduler:::{TARGETS[kind]}",
                "RoleArn": role_arn,
                "Input": json.dumps({"InstanceIds": [instance_id]}),
                "RetryPolicy": {"MaximumEventAgeInSeconds": PATIENCE, "MaximumRetryAttempts": 185},
            }
            complete = {**plan, "Target": target, "State": "ENABLED"}
            digest = hashlib.sha256(json.dumps(complete, sort_keys=True, default=format_moment).encode()).hexdigest()
            yield f"{instance_id}-{kind}-{digest[:8]}", complete


@dataclass
class Keeper:
    """Keeps the schedules of one deployment; `changes` are what was made or removed, or in check mode would be."""

    scheduler: Any
    iam: Any
    deployment: str
    region: str
    account: str
    partition: str = "aws"
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)

    @property
    def group(self) -> str:
        """The schedule group."""
        return find_group(self.deployment)

    @property
    def role(self) -> str:
        """The role's name."""
        return find_role(self.deployment, self.region)

    @property
    def role_arn(self) -> str:
        """The role's ARN."""
        return f"arn:{self.partition}:iam::{self.account}:role{PATH}{self.role}"

    @property
    def trust(self) -> dict[str, Any]:
        """Who may take the role: the scheduler, for this group of this account.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
        """
        source = f"arn:{self.partition}:scheduler:{self.region}:{self.account}:schedule-group/{self.group}"
        return make_document(
            [
                {
                    "Principal": {"Service": "scheduler.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"aws:SourceAccount": self.account, "aws:SourceArn": source}},
                }
            ]
        )

    @property
    def policy(self) -> dict[str, Any]:
        """What the role may do: stop and start what carries the tag."""
        return make_document(
            [
                {
                    "Action": ["ec2:StartInstances", "ec2:StopInstances"],
                    "Resource": f"arn:{self.partition}:ec2:{self.region}:{self.account}:instance/*",
                    "Condition": {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self.deployment}},
                }
            ]
        )

    def ensure_role(self) -> None:
        """See to the role and to what it may do."""
        found = find(self.iam.get_role, RoleName=self.role)
        if found is None:
            labels = tag_list({DEPLOYMENT_TAG: self.deployment})
            trust = json.dumps(self.trust)
            request = {"RoleName": self.role, "Path": PATH, "AssumeRolePolicyDocument": trust, "Tags": labels}
            self._change("role", self.iam.create_role, **request)
        elif not self._owns(found["Role"]):
            raise ForeignError(
                f"the account has a role {self.role} already, which is not of the deployment {self.deployment}\n"
                "Fix: choose another `deployment`, or delete it"
            )
        known = find(self.iam.get_role_policy, RoleName=self.role, PolicyName=POLICY) if found else None
        if not known or known["PolicyDocument"] != self.policy:
            request = {"RoleName": self.role, "PolicyName": POLICY, "PolicyDocument": json.dumps(self.policy)}
            self._change("policy of the role", self.iam.put_role_policy, **request)

    def ensure_schedules(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        """See to it that the group holds these schedules and no others."""
        there = self.find_names()
        if not there:
            self._ensure_group()
        missing = [name for name in wanted if name not in there]
        stale = [name for name in there if name not in wanted]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: self._create(name, wanted[name]), missing))
            list(pool.map(self._delete, stale))

    def ensure_absent(self) -> None:
        """See to it that neither schedules, nor the group, nor the role is left."""
        if find(self.scheduler.get_schedule_group, Name=self.group):
            # its schedules go with it
            self._change("schedule group", self.scheduler.delete_schedule_group, Name=self.group)
        found = find(self.iam.get_role, RoleName=self.role)
        if found and self._owns(found["Role"]):
            if find(self.iam.get_role_policy, RoleName=self.role, PolicyName=POLICY):
                request = {"RoleName": self.role, "PolicyName": POLICY}
                self._change("policy of the role", self.iam.delete_role_policy, **request)
            self._change("role", self.iam.delete_role, RoleName=self.role)

    def find_names(self) -> list[str]:
        """Answer the names of the group's schedules."""
        pager = self.scheduler.get_paginator("list_schedules")
        try:
            pages = throttled(lambda: list(pager.paginate(GroupName=self.group)))
        except ClientError as error:
            if error_code(error) in GONE:
                return []
            raise
        return [row["Name"] for page in pages for row in page["Schedules"]]

    def _ensure_group(self) -> None:
        if find(self.scheduler.get_schedule_group, Name=self.group) is None:
            labels = tag_list({DEPLOYMENT_TAG: self.deployment})
            self._change("schedule group", self.scheduler.create_schedule_group, Name=self.group, Tags=labels)

    def _create(self, name: str, plan: Mapping[str, Any]) -> None:
        deadline = time.monotonic() + ROLE_SECONDS
        while True:
            try:
                return self._change(
                    f"schedule {name}", self.scheduler.create_schedule, Name=name, GroupName=self.group, **plan
                )
            except ClientError as error:
                if error_code(error) == "ConflictException":  # an answer was lost, or another run was quicker
                    return None
                if "assume the role" not in str(error) or time.monotonic() >= deadline:
                    raise
            time.sleep(2)

    def _delete(self, name: str) -> None:
        try:
            self._change(f"no schedule {name}", self.scheduler.delete_schedule, Name=name, GroupName=self.group)
        except ClientError as error:
            if error_code(error) not in GONE:
                raise

    def _owns(self, role: Mapping[str, Any]) -> bool:
        return tags_of(role).get(DEPLOYMENT_TAG) == self.deployment

    def _change(self, what: str, call: Callable[..., Any], **request: Any) -> None:
        if not self.check_mode:
            throttled(call, **request)
        self.changes.append(what)
