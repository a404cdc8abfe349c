"""AWS itself starts and stops the hosts: what is scheduled, by whose leave, and what happens when it is time."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from support.place import DEPLOYMENT, Place, opened

TIMES = {"start": "Mon-Fri 08:00", "stop": "22:00", "timezone": "America/Los_Angeles", "until": "2099-12-18"}
GROUP = f"dstk-{DEPLOYMENT}"


class Class(Place):
    """A class with hours, of which every host and every schedule can be seen."""

    def options(self, *students: str, **keys: Any) -> list[str]:
        """The options that name a dstk.yml."""
        path = self.folder / "dstk.yml"
        document = {"deployment": DEPLOYMENT, "students": list(students), "schedule": TIMES, **keys}
        path.write_text(json.dumps(document))
        return ["-e", f"dstk_config={path}"]

    def schedules(self) -> dict[str, list[str]]:
        """The kinds of schedules, by instance."""
        pages = self.make_client("scheduler").get_paginator("list_schedules").paginate(GroupName=GROUP)
        found: dict[str, list[str]] = {}
        for name in sorted(row["Name"] for page in pages for row in page["Schedules"]):
            instance, kind, _ = name.rsplit("-", 2)
            found.setdefault(instance, []).append(kind)
        return found

    def schedule(self, kind: str) -> dict[str, Any]:
        """One schedule of that kind."""
        scheduler = self.make_client("scheduler")
        names = [row["Name"] for row in scheduler.list_schedules(GroupName=GROUP)["Schedules"]]
        found: dict[str, Any] = scheduler.get_schedule(
            GroupName=GROUP, Name=next(name for name in names if f"-{kind}-" in name)
        )
        return found

    def roles(self) -> dict[str, Any]:
        """What each role may do."""
        iam = self.make_client("iam")
        names = [role["RoleName"] for role in iam.list_roles()["Roles"]]
        return {
            name: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for name in names
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        }

    def turn(self, year: int, month: int, day: int, hour: int) -> list[dict[str, str]]:
        """Let it be a moment, UTC."""
        moment = datetime.datetime(year, month, day, hour, tzinfo=datetime.UTC)
        return sandbox.turn_clock(moment, directory=self.folder)

    def wait(self, state: str) -> None:
        """Until all hosts are so."""
        ids = [item["InstanceId"] for item in self.instances()]
        self.client.get_waiter(f"instance_{state}").wait(InstanceIds=ids, WaiterConfig={"Delay": 1, "MaxAttempts": 20})

    def tags(self) -> set[str]:
        """What the hosts' tags say of the end."""
        tags = [{tag["Key"]: tag["Value"] for tag in item["Tags"]} for item in self.instances()]
        return {found.get("dstk:until", "") for found in tags}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield Class(found.folder, found.environment, found.ssh_port, found.client)


def test_a_class_that_would_be_over_before_it_begins_is_not_made(place: Class) -> None:
    code, output = place.run("provision", *place.options("ada", schedule={"until": "2020-12-18"}))
    assert (code, "would be over before it begins" in output, "Fix: correct `until`" in output) == (2, True, True)
    assert place.instances() == []


@pytest.fixture(scope="module")
def made(place: Class) -> Class:
    place.ensure("provision", *place.options("ada", "bob"))
    return place


def test_each_host_has_a_start_a_stop_and_an_end(made: Class) -> None:
    assert made.schedules() == {item["InstanceId"]: ["end", "start", "stop"] for item in made.instances()}


def test_hosts_start_before_the_class_does_and_where_it_is(made: Class) -> None:
    found = made.schedule("start")
    assert (found["ScheduleExpression"], found["ScheduleExpressionTimezone"]) == (
        "cron(45 7 ? * MON,TUE,WED,THU,FRI *)",
        "America/Los_Angeles",
    )
    assert found["EndDate"] == datetime.datetime(2099, 12, 19, 8, tzinfo=datetime.UTC)


def test_the_end_is_that_of_the_last_day_and_told_by_the_hosts(made: Class) -> None:
    assert made.schedule("end")["ScheduleExpression"] == "at(2099-12-19T08:00:00)"
    assert made.tags() == {"2099-12-19T08:00:00Z"}


def test_a_second_run_changes_nothing(made: Class) -> None:
    assert "changed=0 " in made.ensure("provision", *made.options("ada", "bob"))


def test_other_hours_take_the_place_of_those_of_before(made: Class) -> None:
    hours = {key: TIMES[key] for key in ("timezone", "until")}
    made.ensure("provision", *made.options("ada", "bob", "eve", schedule={**hours, "stop": "23:00"}))
    assert set(map(tuple, made.schedules().values())) == {("end", "stop")}
    assert made.schedule("stop")["ScheduleExpression"].startswith("cron(0 23 ")


def test_a_host_that_is_gone_leaves_no_schedule(made: Class) -> None:
    ends = [item["InstanceId"] for item in made.instances() if {"Key": "dstk:student", "Value": "eve"} in item["Tags"]]
    made.client.terminate_instances(InstanceIds=ends)
    made.client.get_waiter("instance_terminated").wait(InstanceIds=ends, WaiterConfig={"Delay": 1})
    made.ensure("provision", *made.options("ada", "bob"))
    assert ends[0] not in made.schedules()


def test_an_extension_moves_the_end_and_is_not_shortened_by_the_file(made: Class) -> None:
    made.ensure("extend", *made.options("ada", "bob"), "-e", "dstk_by=7d")
    made.ensure("provision", *made.options("ada", "bob"))
    assert made.tags() == {"2099-12-26T08:00:00Z"}
    assert made.schedule("end")["ScheduleExpression"] == "at(2099-12-26T08:00:00)"


def test_an_extension_that_means_nothing_is_told_with_a_remedy(made: Class) -> None:
    code, output = made.run("extend", *made.options("ada", "bob"), "-e", "dstk_by=soon")
    assert (code, "'soon' is neither days nor hours" in output, "Fix: " in output) == (2, True, True)


def test_aws_stops_and_starts_the_hosts_when_it_is_time(made: Class) -> None:
    # Monday, 5 January 2099, in Los Angeles: 22:00 the evening before, then 7:45
    stopped = made.turn(2099, 1, 5, 7)[-2:]
    assert [(row["action"], row["at"], row["error"]) for row in stopped] == [
        ("stopInstances", "2099-01-05T06:00:00+00:00", "")
    ] * 2
    made.wait("stopped")
    started = made.turn(2099, 1, 5, 16)
    assert [(row["action"], row["at"], row["error"]) for row in started] == [
        ("startInstances", "2099-01-05T15:45:00+00:00", "")
    ] * 2
    made.wait("running")


def test_the_role_may_not_stop_what_is_of_another_deployment(made: Class) -> None:
    ours, tags = made.instances()[0], [{"Key": "dstk:deployment", "Value": "other"}]
    request = {key: ours[key] for key in ("ImageId", "InstanceType", "SubnetId", "KeyName")}
    specifications = [{"ResourceType": "instance", "Tags": tags}]
    launched = made.client.run_instances(MinCount=1, MaxCount=1, TagSpecifications=specifications, **request)
    foreign = launched["Instances"][0]["InstanceId"]
    made.client.get_waiter("instance_running").wait(InstanceIds=[foreign], WaiterConfig={"Delay": 1})
    scheduler, known = made.make_client("scheduler"), made.schedule("stop")
    scheduler.create_schedule(
        Name="stray",
        GroupName=GROUP,
        ScheduleExpression="at(2099-02-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={**known["Target"], "Input": json.dumps({"InstanceIds": [foreign]})},
    )
    stray = next(row for row in made.turn(2099, 2, 1, 1) if row["schedule"] == "stray")
    scheduler.delete_schedule(Name="stray", GroupName=GROUP)
    made.client.terminate_instances(InstanceIds=[foreign])
    assert "UnauthorizedOperation" in stray["error"]


def test_nobody_but_its_own_group_is_given_the_role(made: Class) -> None:
    scheduler, known = made.make_client("scheduler"), made.schedule("stop")
    scheduler.create_schedule(
        Name="stray",
        ScheduleExpression="at(2099-03-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=known["Target"],
    )
    stray = next(row for row in made.turn(2099, 3, 1, 1) if row["schedule"] == "stray")
    scheduler.delete_schedule(Name="stray")
    assert "does not trust" in stray["error"]


def test_the_same_name_in_another_region_is_another_deployment(made: Class) -> None:
    elsewhere = [*made.options("ada"), "-e", "dstk_region=us-east-2"]
    iam, before = made.make_client("iam"), (made.schedules(), made.roles())
    made.ensure("provision", *elsewhere)
    assert len(iam.list_roles()["Roles"]) == 2 * len(before[1])
    made.ensure("destroy", *elsewhere)
    assert (made.schedules(), made.roles()) == before


def test_at_the_end_the_hosts_are_stopped_and_not_deleted(made: Class) -> None:
    ended = made.turn(2099, 12, 26, 9)[-2:]
    assert [(row["at"], row["error"]) for row in ended] == [("2099-12-26T08:00:00+00:00", "")] * 2
    made.wait("stopped")
    assert len(made.instances()) == 2


def test_a_deployment_that_is_over_is_started_only_when_that_is_asked_for(made: Class) -> None:
    ids = [item["InstanceId"] for item in made.instances()]
    made.client.create_tags(Resources=ids, Tags=[{"Key": "dstk:until", "Value": "2026-01-01T00:00:00Z"}])
    file = made.options("ada", "bob", schedule={})
    code, output = made.run("provision", *file)
    assert (code, f"{DEPLOYMENT} ended at 2026-01-01T00:00:00Z" in output, "dstk extend" in output) == (2, True, True)
    made.ensure("extend", *file, "-e", "dstk_by=7d")
    made.ensure("provision", *file)
    made.wait("running")


def test_destroy_leaves_neither_schedules_nor_a_role(made: Class) -> None:
    made.ensure("destroy", *made.options("ada", "bob"))
    groups = made.make_client("scheduler").list_schedule_groups()["ScheduleGroups"]
    roles = made.make_client("iam").list_roles()["Roles"]
    assert ([group["Name"] for group in groups], roles) == (["default"], [])
