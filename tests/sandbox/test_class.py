"""A class of every size is provisioned, added to and destroyed, on days when AWS has not enough for all."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from support.place import DEPLOYMENT, REGION, Place, opened

VCPUS = "L-1216C47A"


class Class(Place):
    """A class whose students are named by number."""

    def file(self, first: int, last: int, **keys: Any) -> list[str]:
        """The options that name a dstk.yml with students from the first to the last."""
        path = self.folder / "dstk.yml"
        students = [f"student{number:03d}" for number in range(first, last + 1)]
        path.write_text(json.dumps({"deployment": DEPLOYMENT, "students": students, **keys}))
        return ["-e", f"dstk_config={path}"]

    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of the live instances, by id."""
        return {found["InstanceId"]: {t["Key"]: t["Value"] for t in found["Tags"]} for found in self.instances()}

    def stats(self, playbook: str, *more: str) -> dict[str, Any]:
        """What a playbook that succeeds tells the caller."""
        output = self.ensure(playbook, *more)
        found = output[output.rindex("RUN: ") + len("RUN: ") :]
        told: dict[str, Any] = json.JSONDecoder().raw_decode(found)[0]
        return told


@pytest.fixture(scope="module")
def opened_class(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as place:
        # the custom stats of a run stand in its last lines
        environment = {
            **place.environment,
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        yield Class(place.folder, environment, place.ssh_port, place.client)


@pytest.fixture
def students(opened_class: Class) -> Iterator[Class]:
    """A class that nobody has yet; the network of an earlier test may be there."""
    sandbox.ensure_quota(VCPUS, 1000, directory=opened_class.folder)
    opened_class.end_instances()
    yield opened_class
    sandbox.clear_faults(directory=opened_class.folder)


def test_three_hundred_are_provisioned_in_few_calls_and_destroyed(students: Class) -> None:
    students.ensure("provision", *students.file(1, 300))
    assert sorted(tags["dstk:student"] for tags in students.tags().values()) == [
        f"student{n:03d}" for n in range(1, 301)
    ]
    assert students.calls("RunInstances") <= 12
    assert students.calls("DescribeInstances") <= 60
    students.ensure("destroy", *students.file(1, 300))
    assert students.instances() == []
    assert students.calls("TerminateInstances") <= 6


def test_a_quota_that_is_met_half_way_fails_those_who_are_left_and_nobody_else(students: Class) -> None:
    sandbox.ensure_quota(VCPUS, 5, directory=students.folder)
    told = students.stats("provision", *students.file(1, 8))
    assert len(students.instances()) == 5
    assert sorted(told["dstk_failures"]) == ["student006", "student007", "student008"]
    assert VCPUS in told["dstk_failures"]["student006"]["fix"]


def test_those_who_failed_are_served_by_the_next_run(students: Class) -> None:
    sandbox.ensure_quota(VCPUS, 2, directory=students.folder)
    students.ensure("provision", *students.file(1, 3))
    before = set(students.tags())
    sandbox.ensure_quota(VCPUS, 1000, directory=students.folder)
    students.ensure("provision", *students.file(1, 3))
    assert before < set(students.tags())
    assert len(students.tags()) == 3


def test_alternatives_are_launched_where_no_zone_has_room(students: Class) -> None:
    for zone in "abc":
        students.inject("RunInstances", "no-capacity", zone=f"{REGION}{zone}", count=3)
    students.ensure("provision", *students.file(1, 2, instance_types=["t3a.medium"]))
    assert {found["InstanceType"] for found in students.instances()} == {"t3a.medium"}


def test_a_run_that_is_killed_while_it_tags_is_finished_without_doubles(students: Class) -> None:
    file = students.file(1, 60)
    before = students.calls("CreateTags")
    process = students.start("provision", *file)
    while students.calls("CreateTags") < before + 20:
        assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    students.ensure("provision", *file)
    assert sorted(tags["dstk:student"] for tags in students.tags().values()) == [
        f"student{n:03d}" for n in range(1, 61)
    ]


def test_a_shared_class_grows_without_moving_anybody(students: Class) -> None:
    shared = {"placement": "shared", "students_per_host": 3}
    students.ensure("provision", *students.file(1, 4, **shared))
    before = students.tags()
    students.ensure("provision", *students.file(2, 6, **shared))
    assert {host: {**tags, **before[host]} for host, tags in students.tags().items()} == students.tags()
    assert sum(key.startswith("dstk:seat:") for tags in students.tags().values() for key in tags) == 6


def test_nobody_served_is_a_failure_of_the_run_with_the_remedy(students: Class) -> None:
    sandbox.ensure_quota(VCPUS, 0, directory=students.folder)
    code, output = students.run("provision", *students.file(1, 2))
    assert code != 0
    assert "student001, student002: " in output
    assert VCPUS in output


def test_a_lone_student_outside_the_limit_is_not_launched(students: Class) -> None:
    students.ensure("provision", *students.file(1, 3), "-e", "dstk_limit=student002")
    assert [tags["dstk:student"] for tags in students.tags().values()] == ["student002"]
