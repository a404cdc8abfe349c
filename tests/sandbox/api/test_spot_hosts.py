"""Hosts that AWS takes back come again with their homes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from dstk_runner import sandbox
from support.aws import Aws
from support.seating import seats
from support.spot import SpotPlace, wait


@pytest.fixture
def place(aws: Aws, folder: Path) -> Iterator[SpotPlace]:
    yield SpotPlace(aws, folder)
    sandbox.clear_faults(directory=folder)


def test_hosts_are_spot_instances_with_requests_that_bear_the_tag(place: SpotPlace) -> None:
    answer = place.ensure("ada", "ben")
    assert [item["InstanceLifecycle"] for item in place.instances()] == ["spot", "spot"]
    assert place.requests() == dict.fromkeys(answer["launched"], "active")


def test_a_host_that_was_stopped_a_moment_ago_is_started(place: SpotPlace) -> None:
    [host] = place.ensure("ada")["launched"]
    place.fleet.stop([host], timeout=30)
    answer = place.ensure("ada")
    assert (answer["started"], answer["launched"], place.state(host)) == ([host], [], "running")


def test_what_was_taken_back_is_replaced_beside_its_home(place: SpotPlace) -> None:
    place.ensure("ada", "ben")
    lost, ben, (volume, _) = place.take_back("ada"), place.host("ben")["InstanceId"], place.home("ada")
    answer = place.ensure("ada", "ben")
    assert (answer["replaced"], answer["failures"], answer["changed"]) == ([lost], [], True)
    [new] = answer["launched"]
    assert (place.host("ada")["InstanceId"], place.home("ada")) == (new, (volume, new))
    assert (place.requests(), place.state(lost)) == ({new: "active", ben: "active"}, "terminated")
    assert not place.ensure("ada", "ben")["changed"]


def test_a_shared_host_comes_again_with_all_who_sit_there(place: SpotPlace) -> None:
    first = place.ensure("ada", "ben", placement="shared", instance_type="t3.large")
    [lost] = first["launched"]
    sandbox.interrupt_spot(lost, seconds=0, directory=place.folder)
    wait(lambda: place.state(lost) == "stopped")
    again = place.ensure("ada", "ben", placement="shared", instance_type="t3.large")
    assert (seats(again), again["replaced"]) == ([["ada", "ben"]], [lost])
    assert place.home("host01")[1] == again["launched"][0]


def test_up_in_the_moment_in_which_a_host_is_being_stopped_waits_for_it(place: SpotPlace) -> None:
    [lost] = place.ensure("ada")["launched"]
    sandbox.interrupt_spot(lost, seconds=0, directory=place.folder)
    wait(lambda: place.state(lost) != "running")
    assert place.ensure("ada")["replaced"] == [lost]


def test_without_room_nothing_is_ended_and_the_failure_says_what_can_be_done(place: SpotPlace) -> None:
    place.ensure("ada")
    lost, home = place.take_back("ada"), place.home("ada")
    sandbox.inject("RunInstances", "no-capacity", count=None, directory=place.folder)
    [failure] = place.ensure("ada")["failures"]
    assert (home[0] in failure["message"], "spot: false" in failure["fix"]) == (True, True)
    assert (place.host("ada")["InstanceId"], place.home("ada"), place.requests()) == (lost, home, {lost: "disabled"})


def test_with_spot_false_it_is_replaced_by_one_on_demand(place: SpotPlace) -> None:
    place.ensure("ada")
    lost, (volume, _) = place.take_back("ada"), place.home("ada")
    [new] = place.ensure("ada", spot=False)["launched"]
    assert (place.host("ada").get("InstanceLifecycle"), place.home("ada")) == (None, (volume, new))
    assert (place.requests(), place.state(lost)) == ({}, "terminated")


def test_a_first_launch_without_room_is_never_on_demand(place: SpotPlace) -> None:
    sandbox.inject("RunInstances", "no-capacity", count=None, directory=place.folder)
    [failure] = place.ensure("ada")["failures"]
    assert ("instance_types" in failure["fix"], place.instances()) == (True, [])


def test_another_type_is_taken_where_its_zone_has_none(place: SpotPlace) -> None:
    place.ensure("ada")
    place.take_back("ada")
    # the one zone of the home is asked once for each type
    sandbox.inject("RunInstances", "no-capacity", count=1, directory=place.folder)
    place.ensure("ada", instance_types=["t3a.small"])
    assert (place.host("ada")["InstanceType"], place.host("ada")["InstanceLifecycle"]) == ("t3a.small", "spot")


def test_only_the_hosts_of_those_who_are_named_are_replaced(place: SpotPlace) -> None:
    place.ensure("ada", "ben")
    lost = place.take_back("ada")
    answer = place.ensure("ada", "ben", limit=["ben"])
    assert (answer["launched"], place.host("ada")["InstanceId"], place.requests()[lost]) == ([], lost, "disabled")


def test_what_aws_started_again_is_kept(place: SpotPlace) -> None:
    place.ensure("ada")
    lost = place.take_back("ada")
    sandbox.return_capacity(directory=place.folder)
    answer = place.ensure("ada")
    assert (answer["launched"], place.host("ada")["InstanceId"]) == ([], lost)


def test_check_mode_asks_nothing_to_start_and_says_what_it_would_launch(place: SpotPlace) -> None:
    place.ensure("ada")
    lost = place.take_back("ada")
    before = sandbox.find_calls(directory=place.folder).get("StartInstances", 0)
    answer = place.ensure("ada", check_mode=True)
    after = sandbox.find_calls(directory=place.folder).get("StartInstances", 0)
    assert (answer["launched"], after - before, place.host("ada")["InstanceId"]) == (["planned-01"], 0, lost)


@pytest.mark.parametrize("call", ["CancelSpotInstanceRequests", "TerminateInstances", "AttachVolume"])
def test_a_run_that_breaks_off_on_the_way_is_ended_by_the_next(place: SpotPlace, call: str) -> None:
    place.ensure("ada")
    lost, (volume, _) = place.take_back("ada"), place.home("ada")
    sandbox.inject(call, "unauthorized", count=None, directory=place.folder)
    with contextlib.suppress(ClientError):  # what the module tells as its failure
        assert place.ensure("ada")["failures"]
    running = [item["InstanceId"] for item in place.instances() if item["State"]["Name"] == "running"]
    sandbox.clear_faults(directory=place.folder)
    place.ensure("ada")
    assert [place.host("ada")["InstanceId"]] == running
    assert (place.home("ada"), place.state(lost)) == ((volume, running[0]), "terminated")
    assert place.requests() == {running[0]: "active"}
