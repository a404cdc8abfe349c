"""No request outlives the host that it was made for, and what is there stays as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dstk_runner import sandbox
from support.aws import Aws
from support.plugins import load_packed
from support.spot import SpotPlace, wait


@pytest.fixture
def place(aws: Aws, folder: Path) -> Iterator[SpotPlace]:
    yield SpotPlace(aws, folder)
    sandbox.clear_faults(directory=folder)


def test_a_launch_that_fails_leaves_no_request(place: SpotPlace) -> None:
    sandbox.ensure_delay(0, directory=place.folder)
    [host] = place.ensure("ada")["launched"]
    request = place.host("ada")["SpotInstanceRequestId"]
    interrupted = load_packed("module_utils/dstk_interrupted")
    place.aws.terminate_instances(InstanceIds=[host])
    interrupted.give_up(place.fleet, [item for item in place.fleet.find() if item["InstanceId"] == host])
    wait(lambda: place.state(host) == "terminated")
    [row] = place.aws.describe_spot_instance_requests(SpotInstanceRequestIds=[request])["SpotInstanceRequests"]
    assert (row["State"], row["InstanceId"]) == ("cancelled", host)


def test_hosts_that_are_there_stay_as_they_are_and_it_is_told(place: SpotPlace) -> None:
    hosts = place.ensure("ada")["launched"]
    answer = place.ensure("ada", spot=False)
    assert (answer["otherwise_paid"], answer["launched"], answer["changed"]) == (hosts, [], False)
    assert place.ensure("ada")["otherwise_paid"] == []


def test_the_type_of_a_spot_instance_stays_and_it_is_not_even_stopped(place: SpotPlace) -> None:
    [spot] = place.ensure("ada")["launched"]
    [other] = place.ensure("ada", "ben", spot=False)["launched"]
    resizes = load_packed("module_utils/dstk_resize")
    changed, refused = resizes.ensure_type(place.fleet, place.fleet.find(), "t3.large", timeout=30)
    assert (changed, list(refused), place.state(spot)) == ([other], [spot], "running")
    assert "dstk destroy" in refused[spot].fix


def test_a_class_beyond_the_quota_gets_what_fits(place: SpotPlace) -> None:
    sandbox.ensure_quota("L-34B43A08", 4, directory=place.folder)
    answer = place.ensure("ada", "ben", "cleo")
    sandbox.ensure_quota("L-34B43A08", 32, directory=place.folder)
    assert (len(answer["launched"]), len(answer["failures"])) == (2, 1)
    assert "L-34B43A08" in answer["failures"][0]["fix"]


def test_destroy_leaves_no_request_and_nothing_comes_again(place: SpotPlace) -> None:
    place.ensure("ada", "ben")
    place.take_back("ada")
    place.end()
    time.sleep(1)  # the market looks four times a second
    assert (place.requests(), {item["State"]["Name"] for item in place.instances()}) == ({}, {"terminated"})
    assert place.aws.describe_volumes()["Volumes"] == []


def test_destroy_ends_what_a_forgotten_cancel_launched(place: SpotPlace) -> None:
    [host] = place.ensure("ada")["launched"]
    place.aws.terminate_instances(InstanceIds=[host])
    wait(lambda: host not in place.requests() and len(place.requests()) == 1)
    [stray] = place.requests()
    wait(lambda: place.state(stray) == "running")
    place.end()
    assert (place.requests(), place.state(stray)) == ({}, "terminated")
    assert place.aws.describe_volumes()["Volumes"] == []


def test_who_is_released_leaves_no_request(place: SpotPlace) -> None:
    place.ensure("ada", "ben")
    lost, ben = place.host("ada")["InstanceId"], place.host("ben")["InstanceId"]
    assert place.release("ada") == [lost]
    time.sleep(1)  # the market looks four times a second
    assert place.requests() == {ben: "active"}
