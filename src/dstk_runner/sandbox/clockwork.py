"""What AWS does by itself when it is time: schedules of EventBridge Scheduler, and policies of Data Lifecycle Manager.

Each is carried out as its role.
"""

from __future__ import annotations

import datetime
import json
import logging
import re
import threading
import zoneinfo
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.scheduler.models import Schedule, scheduler_backends

from dstk_runner.sandbox import lifecycle_policies
from dstk_runner.sandbox.roles import call_patiently, find_trust, make_role_client
from dstk_runner.sandbox.state import SandboxState

TICK = 1.0
UTC = datetime.UTC
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
SERVICE = "scheduler.amazonaws.com"

_CRON = re.compile(r"cron\((?P<minute>\d+) (?P<hour>\d+) \? \* (?P<days>[A-Z,]+) \*\)")
_AT = re.compile(r"at\((?P<moment>[\dT:-]+)\)")
_TARGET = re.compile(r"arn:[\w-]+:scheduler:::aws-sdk:ec2:(?P<action>startInstances|stopInstances|deleteSnapshot)")

log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Due:
    """A schedule whose time has come."""

    at: datetime.datetime
    name: str
    region: str
    group: str
    target: str
    role: str
    input: str


class Clockwork:
    """Carries out what is due between two looks at the clock, which somebody may have put forward."""

    def __init__(self, lock: AbstractContextManager[object], state: SandboxState) -> None:
        """Take the lock under which schedules change, and where the API answers."""
        self._lock = lock
        self._state = state
        self._ahead = datetime.timedelta()
        self._seen = datetime.datetime.now(UTC)
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clockwork", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def turn_to(self, moment: str) -> list[dict[str, str]]:
        """Let it be this moment, in ISO 8601, and answer what was carried out on the way there."""
        wanted = datetime.datetime.fromisoformat(moment).astimezone(UTC)
        with self._turn:
            if wanted < self._seen:
                raise ValueError(f"the clock is at {self._seen.isoformat()}, and goes forward only")
            self._ahead = wanted - datetime.datetime.now(UTC)
        return self.tick()

    def tick(self) -> list[dict[str, str]]:
        """Carry out what has become due since the last look, in its order; of each schedule its last time."""
        with self._turn:
            now = datetime.datetime.now(UTC) + self._ahead
            with self._lock:
                due = sorted(find_due(since=self._seen, now=now))
                policies = list(lifecycle_policies.find_due(since=self._seen, now=now))
            self._seen = now
            return [self._fire(item) for item in due] + [self._back_up(*item) for item in policies]

    def _back_up(self, at: datetime.datetime, region: str, policy: dict[str, Any]) -> dict[str, str]:
        """Carry out a policy of Data Lifecycle Manager."""
        told = {"schedule": policy["PolicyId"], "at": at.isoformat(), "action": "createSnapshot", "error": ""}
        try:
            lifecycle_policies.carry_out(
                policy, region, make_role_client(self._state, policy["ExecutionRoleArn"], region)
            )
        except (BotoCoreError, ClientError, KeyError) as error:
            told["error"] = str(error)
        log.info("%s at %s: %s", policy["PolicyId"], told["at"], told["error"] or "done")
        return told

    def _fire(self, due: Due) -> dict[str, str]:
        found = _TARGET.fullmatch(due.target)
        action = found["action"] if found else due.target
        told = {"schedule": due.name, "at": due.at.isoformat(), "action": action, "error": ""}
        try:
            if not found:
                raise ValueError("the sandbox carries out startInstances, stopInstances and deleteSnapshot alone")
            with self._lock:
                check_trust(due)
            client = make_role_client(self._state, due.role, due.region)
            call_patiently(getattr(client, xform_name(action)), json.loads(due.input))
        except (BotoCoreError, ClientError, PermissionError, ValueError, KeyError) as error:
            told["error"] = str(error)
        with self._lock:
            forget_completed(due)
        log.info("%s at %s: %s %s", due.name, told["at"], action, told["error"] or "done")
        return told

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            try:
                self.tick()
            except Exception:
                log.exception("a look at the schedules failed")


def find_due(*, since: datetime.datetime, now: datetime.datetime) -> Iterator[Due]:
    """Yield each schedule that had a time after `since` and not after `now`, with the last such time."""
    for region, backend in scheduler_backends[DEFAULT_ACCOUNT_ID].items():
        for group in backend.schedule_groups.values():
            for schedule in group.schedules.values():
                at = find_last_time(schedule, now)
                if schedule.state == "ENABLED" and at is not None and since < at:
                    target = schedule.target
                    yield Due(
                        at, schedule.name, region, group.arn, target["Arn"], target["RoleArn"], target.get("Input", "")
                    )


def find_last_time(schedule: Schedule, now: datetime.datetime) -> datetime.datetime | None:
    """Return the last time of a schedule that is not after `now`, within its days and before its end.

    Read are `at(...)`, and `cron(...)` for a time of the day on some days of the week.
    """
    zone = zoneinfo.ZoneInfo(schedule.schedule_expression_timezone)
    if found := _AT.fullmatch(schedule.schedule_expression):
        at = datetime.datetime.fromisoformat(found["moment"]).replace(tzinfo=zone).astimezone(UTC)
        return at if at <= now else None
    found = _CRON.fullmatch(schedule.schedule_expression)
    if not found:
        return None
    days = {DAYS.index(day) for day in found["days"].split(",")}
    ends = datetime.datetime.fromtimestamp(float(schedule.end_date), UTC) if schedule.end_date else now
    local = min(now, ends).astimezone(zone)
    for back in range(8):
        day = local.date() - datetime.timedelta(days=back)
        clock = datetime.time(int(found["hour"]), int(found["minute"]), tzinfo=zone)
        at = datetime.datetime.combine(day, clock).astimezone(UTC)
        if day.weekday() in days and at <= min(now, ends):
            return at
    return None


def forget_completed(due: Due) -> None:
    """Delete a schedule that had one time, where that was asked for."""
    for group in scheduler_backends[DEFAULT_ACCOUNT_ID][due.region].schedule_groups.values():
        schedule = group.schedules.get(due.name) if group.arn == due.group else None
        if schedule and schedule.action_after_completion == "DELETE" and _AT.fullmatch(schedule.schedule_expression):
            del group.schedules[due.name]


def check_trust(due: Due) -> None:
    """Raise PermissionError where the role does not trust the scheduler with this schedule's group.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    known = {"aws:SourceAccount": DEFAULT_ACCOUNT_ID, "aws:SourceArn": due.group}
    for condition in find_trust(due.role, SERVICE):
        if condition.get("StringEquals", {}).items() <= known.items():
            return
    raise PermissionError(f"{due.role} does not trust {SERVICE} with {due.group}")
