"""A group of EventBridge Scheduler that holds schedules of one deployment, made and removed by their names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, tag_list, throttled
from ansible.module_utils.dstk_role import GONE, Place, call_patiently, find, make_document

ROLE_SECONDS = 60
"""How long the scheduler may take to know a role that IAM made a moment ago."""


@dataclass(frozen=True)
class ScheduleGroup:
    """The group. `change` makes a call, but in check mode, and notes what it is told that this does."""

    scheduler: Any
    name: str
    deployment: str
    change: Callable[..., Any]

    def ensure(self) -> None:
        """See to the group."""
        if find(self.scheduler.get_schedule_group, Name=self.name) is None:
            labels = tag_list({DEPLOYMENT_TAG: self.deployment})
            self.change("schedule group", self.scheduler.create_schedule_group, Name=self.name, Tags=labels)

    def ensure_absent(self) -> None:
        """See to it that the group is gone; its schedules go with it."""
        if find(self.scheduler.get_schedule_group, Name=self.name):
            self._end("schedule group", self.scheduler.delete_schedule_group, Name=self.name)

    def find_names(self) -> list[str]:
        """Answer the names of its schedules."""
        pager = self.scheduler.get_paginator("list_schedules")
        try:
            pages = throttled(lambda: list(pager.paginate(GroupName=self.name)))
        except ClientError as error:
            if error_code(error) in GONE:
                return []
            raise
        return [row["Name"] for page in pages for row in page["Schedules"]]

    def create(self, name: str, plan: Mapping[str, Any]) -> None:
        """Make a schedule, as CreateSchedule takes it; its role may be new to the scheduler for a while."""
        request = {"Name": name, "GroupName": self.name, **plan}
        try:
            call_patiently(
                lambda: self.change(f"schedule {name}", self.scheduler.create_schedule, **request),
                lambda error: "assume the role" in str(error),
                ROLE_SECONDS,
            )
        except ClientError as error:
            if error_code(error) != "ConflictException":  # an answer was lost, or another run was quicker
                raise

    def delete(self, name: str) -> None:
        """Delete a schedule, which may be gone by itself."""
        self._end(f"no schedule {name}", self.scheduler.delete_schedule, Name=name, GroupName=self.name)

    def _end(self, what: str, call: Callable[..., Any], **request: Any) -> None:
        try:
            self.change(what, call, **request)
        except ClientError as error:
            if error_code(error) not in GONE:
                raise


def make_trust(place: Place, group: str) -> dict[str, Any]:
    """Answer who may take a role: the scheduler, for this group of this account.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    source = f"arn:{place.partition}:scheduler:{place.region}:{place.account}:schedule-group/{group}"
    own = {"StringEquals": {"aws:SourceAccount": place.account, "aws:SourceArn": source}}
    service = {"Service": "scheduler.amazonaws.com"}
    return make_document([{"Principal": service, "Action": "sts:AssumeRole", "Condition": own}])
