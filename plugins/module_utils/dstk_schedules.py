"""The schedules by which AWS itself starts and stops hosts, and the role that may do so and nothing else."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG
from ansible.module_utils.dstk_role import Place, Role, make_document
from ansible.module_utils.dstk_schedule import (
    LEAD,
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
        return ScheduleGroup(self.scheduler, find_group(self.deployment), self.deployment, self.role.change)

    @property
    def role(self) -> Role:
        """The role, which may stop and start what carries the tag."""
        place = self.place
        allowed = {
            "Action": ["ec2:StartInstances", "ec2:StopInstances"],
            "Resource": f"arn:{place.partition}:ec2:{place.region}:{place.account}:instance/*",
            "Condition": {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self.deployment}},
        }
        trust, policy = make_trust(place, find_group(self.deployment)), make_document([allowed])
        named = find_role(self.deployment, place.region), self.deployment
        return Role(self.iam, *named, trust, policy, POLICY, check_mode=self.check_mode, changes=self.changes)

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
        self.role.ensure_absent()
