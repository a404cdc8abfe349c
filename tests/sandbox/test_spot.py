"""`spot: true`: hosts that AWS takes back and that come again with their homes, and requests that launch nothing more."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.life import make_user
from support.place import DEPLOYMENT, OURS, Place, opened

LASTING = [*OURS, {"Name": "state", "Values": ["open", "active", "disabled"]}]


@pytest.fixture(scope="module")
def opened_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox, and a user who may do no more than the policy of `spot` allows."""
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        policy = make_policy(load_config({"deployment": DEPLOYMENT, "spot": True}))
        yield replace(found, environment=make_user(found, policy, "eve"))


@pytest.fixture
def place(opened_place: Place) -> Iterator[Place]:
    """A deployment of two students, each on a spot instance of their own, which is destroyed with its homes."""
    opened_place.ensure("provision", *asked())
    yield opened_place
    sandbox.clear_faults(directory=opened_place.folder)
    opened_place.ensure("destroy", *asked(dstk_delete_data=True, dstk_final_backup=False))


def asked(**more: Any) -> tuple[str, str]:
    return "-e", json.dumps({"dstk_students": ["ada", "ben"], "dstk_spot": True, **more})


def find_hosts(place: Place) -> dict[str, dict[str, Any]]:
    """The instances by the student who sits there; what has ended does not count."""
    rows = [({tag["Key"]: tag["Value"] for tag in item["Tags"]}, item) for item in place.instances()]
    return {tags["dstk:student"]: item for tags, item in rows}


def find_requests(place: Place) -> dict[str, str]:
    """The states of the requests that still launch or start something, by instance."""
    rows = place.client.describe_spot_instance_requests(Filters=LASTING)["SpotInstanceRequests"]
    return {row["InstanceId"]: row["State"] for row in rows}


def find_home(place: Place, student: str) -> tuple[str, str]:
    """The volume with a student's home, and the instance that has it."""
    by = [*OURS, {"Name": "tag:dstk:homes", "Values": [student]}]
    [row] = place.client.describe_volumes(Filters=by)["Volumes"]
    return row["VolumeId"], row["Attachments"][0]["InstanceId"] if row["Attachments"] else ""


def interrupt(place: Place, student: str) -> str:
    """Let AWS take a student's host back, and answer which it was."""
    instance_id = str(find_hosts(place)[student]["InstanceId"])
    sandbox.interrupt_spot(instance_id, seconds=0, directory=place.folder)
    await_state(place, instance_id, "stopped")
    return instance_id


def await_state(place: Place, instance_id: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        found = place.client.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        if found["State"]["Name"] == state:
            return dict(found)
        assert time.monotonic() < deadline, found["State"]
        time.sleep(0.2)


def test_hosts_are_spot_instances_with_requests_that_bear_the_tag(place: Place) -> None:
    hosts = find_hosts(place)
    assert {student: item["InstanceLifecycle"] for student, item in hosts.items()} == {"ada": "spot", "ben": "spot"}
    assert find_requests(place) == dict.fromkeys((item["InstanceId"] for item in hosts.values()), "active")


def test_a_host_is_stopped_and_at_once_started_again(place: Place) -> None:
    before = find_hosts(place)
    place.ensure("stop", *asked())
    place.ensure("provision", *asked())
    after = find_hosts(place)
    assert {key: item["InstanceId"] for key, item in after.items()} == {
        key: item["InstanceId"] for key, item in before.items()
    }
    assert [item["State"]["Name"] for item in after.values()] == ["running", "running"]


def test_what_was_taken_back_is_replaced_beside_its_home(place: Place) -> None:
    lost, (volume, _) = interrupt(place, "ada"), find_home(place, "ada")
    ben = find_hosts(place)["ben"]["InstanceId"]
    output = place.ensure("provision", *asked())
    new = find_hosts(place)["ada"]
    assert new["InstanceId"] != lost
    assert find_home(place, "ada") == (volume, new["InstanceId"])
    assert find_requests(place) == {new["InstanceId"]: "active", ben: "active"}
    assert await_state(place, lost, "terminated")
    assert f"AWS had taken back {lost}" in output


def test_without_room_nothing_is_ended_and_spot_false_is_a_way_out(place: Place) -> None:
    lost, home = interrupt(place, "ada"), find_home(place, "ada")
    place.inject("RunInstances", "no-capacity", count=None)
    code, output = place.run("provision", *asked(dstk_limit=["ada"]))
    assert (code, "spot: false" in output, home[0] in output) == (2, True, True), output
    assert (find_hosts(place)["ada"]["InstanceId"], find_home(place, "ada")) == (lost, home)
    assert find_requests(place)[lost] == "disabled"
    sandbox.clear_faults(directory=place.folder)
    place.ensure("provision", *asked(dstk_spot=False))
    new = find_hosts(place)["ada"]
    assert (new.get("InstanceLifecycle"), find_home(place, "ada")) == (None, (home[0], new["InstanceId"]))
    assert lost not in find_requests(place)


def test_what_aws_has_started_again_is_kept(place: Place) -> None:
    lost = interrupt(place, "ada")
    assert sandbox.return_capacity(directory=place.folder) == [lost]
    await_state(place, lost, "running")
    place.ensure("provision", *asked())
    assert find_hosts(place)["ada"]["InstanceId"] == lost


def test_a_run_that_was_killed_before_the_old_host_had_ended_is_ended_by_the_next(place: Place) -> None:
    lost, (volume, _) = interrupt(place, "ada"), find_home(place, "ada")
    # the run ends as one does that is killed after its launch: its successor is there, the old host is too
    place.inject("CancelSpotInstanceRequests", "expired", count=None)
    code, _ = place.run("provision", *asked())
    successors = [item["InstanceId"] for item in place.instances() if item["State"]["Name"] == "running"]
    sandbox.clear_faults(directory=place.folder)
    assert (code, len(successors), find_home(place, "ada")) == (2, 2, (volume, lost))
    place.ensure("provision", *asked())
    assert sorted(item["InstanceId"] for item in place.instances()) == sorted(successors)
    assert find_home(place, "ada") == (volume, find_hosts(place)["ada"]["InstanceId"])


def test_check_mode_says_that_it_would_be_replaced_and_leaves_it(place: Place) -> None:
    lost = interrupt(place, "ada")
    before = place.calls("StartInstances")
    output = place.ensure("provision", *asked(), "--check", "--diff")
    assert "planned-01" in output
    assert (find_hosts(place)["ada"]["InstanceId"], place.calls("StartInstances")) == (lost, before)


def test_hosts_that_are_there_stay_as_they_are_and_it_is_said(place: Place) -> None:
    before = {key: item["InstanceId"] for key, item in find_hosts(place).items()}
    output = place.ensure("provision", *asked(dstk_spot=False))
    assert {key: item["InstanceId"] for key, item in find_hosts(place).items()} == before
    assert "stay spot instances, though new ones would be on demand" in " ".join(output.split())


def test_the_type_of_a_host_stays_and_each_student_is_told(place: Place) -> None:
    code, output = place.run("resize", *asked(dstk_type="t3.large"))
    assert (code, output.count("is a spot instance, whose type AWS never changes") >= 2) == (2, True), output
    assert {item["InstanceType"] for item in find_hosts(place).values()} == {"t2.micro"}
    assert {item["State"]["Name"] for item in find_hosts(place).values()} == {"running"}


def test_a_class_beyond_the_quota_of_spot_is_told_which(place: Place) -> None:
    sandbox.ensure_quota("L-34B43A08", 2, directory=place.folder)
    code, output = place.run("provision", *asked(dstk_students=["ada", "ben", "cleo"]))
    sandbox.ensure_quota("L-34B43A08", 32, directory=place.folder)
    assert (code, "L-34B43A08" in output, "MaxSpotInstanceCountExceeded" in output) == (2, True, True), output


def test_a_forgotten_cancel_makes_another_come_and_destroy_ends_it(place: Place) -> None:
    somebodys = find_hosts(place)["ada"]["InstanceId"]
    place.client.terminate_instances(InstanceIds=[somebodys])
    await_state(place, somebodys, "terminated")
    deadline = time.monotonic() + 30
    while somebodys in find_requests(place):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    [stray] = [key for key in find_requests(place) if key != find_hosts(place)["ben"]["InstanceId"]]
    await_state(place, stray, "running")
    place.ensure("destroy", *asked())
    assert find_requests(place) == {}
    await_state(place, stray, "terminated")
    time.sleep(3)  # what was to come again would be there now
    assert place.instances() == []
    assert [row["VolumeId"] for row in place.client.describe_volumes()["Volumes"] if not row.get("Tags")] == []


def test_all_that_the_policy_allows_for_it_was_asked_for(place: Place) -> None:
    place.ensure("destroy", *asked())
    wanted = load_config({"deployment": DEPLOYMENT, "spot": True})
    needed = {item.action for item in find_permissions(wanted) if item.needed == "spot"}
    assert needed <= set(sandbox.find_permissions(place.environment["AWS_ACCESS_KEY_ID"], directory=place.folder))
