"""The schedules by which AWS itself starts and stops hosts, and the role that may do so and nothing else."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, tag_list, tags_of, throttled
from ansible.module_utils.dstk_role import Place, find, make_document
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
from ansible.module_utils.dstk_schedule_group import ScheduleGroup, make_trust

POLICY = "stop-and-start"
PATIENCE = 3600
"""Seconds after which AWS gives up a start or stop that EC2 refuses."""
AT_ONCE = 8
"""Calls under way at a time. AWS takes 250 a second in its small regions
(https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html)."""
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
    place: Place
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)

    @property
    def group(self) -> ScheduleGroup:
        """The schedule group."""
        return ScheduleGroup(self.scheduler, find_group(self.deployment), self.deployment, self._change)

    @property
    def role(self) -> str:
        """The role's name."""
        return find_role(self.deployment, self.place.region)

    @property
    def policy(self) -> dict[str, Any]:
        """What the role may do: stop and start what carries the tag."""
        return make_document(
            [
                {
                    "Action": ["ec2:StartInstances", "ec2:StopInstances"],
                    "Resource": f"arn:{self.place.partition}:ec2:{self.place.region}:{self.place.account}:instance/*",
                    "Condition": {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self.deployment}},
                }
            ]
        )

    def ensure_role(self) -> None:
        """See to the role and to what it may do."""
        found = find(self.iam.get_role, RoleName=self.role)
        if found is None:
            labels = tag_list({DEPLOYMENT_TAG: self.deployment})
            trust = json.dumps(make_trust(self.place, self.group.name))
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
        group = self.group
        there = group.find_names()
        if not there:
            group.ensure()
        missing = [name for name in wanted if name not in there]
        stale = [name for name in there if name not in wanted]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda name: group.create(name, wanted[name]), missing))
            list(pool.map(group.delete, stale))

    def ensure_absent(self) -> None:
        """See to it that neither schedules, nor the group, nor the role is left."""
        self.group.ensure_absent()
        found = find(self.iam.get_role, RoleName=self.role)
        if found and self._owns(found["Role"]):
            if find(self.iam.get_role_policy, RoleName=self.role, PolicyName=POLICY):
                request = {"RoleName": self.role, "PolicyName": POLICY}
                self._change("policy of the role", self.iam.delete_role_policy, **request)
            self._change("role", self.iam.delete_role, RoleName=self.role)

    def _owns(self, role: Mapping[str, Any]) -> bool:
        return tags_of(role).get(DEPLOYMENT_TAG) == self.deployment

    def _change(self, what: str, call: Callable[..., Any], **request: Any) -> None:
        if not self.check_mode:
            throttled(call, **request)
        self.changes.append(what)
