from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load

TAGS = [{"Key": "dstk:deployment", "Value": "csx450"}]


class Place:
    """The module's functions, and two instances in a moto of their own."""

    def __init__(self, load: Load, aws: Any) -> None:
        self.aws = aws
        self.elastic = load("module_utils/dstk_elastic")
        self.fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
        image = aws.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
        labels = [{"ResourceType": "instance", "Tags": TAGS}]
        made = aws.run_instances(ImageId=image, MinCount=2, MaxCount=2, TagSpecifications=labels)
        self.ids = [item["InstanceId"] for item in made["Instances"]]

    def allocate(self) -> str:
        labels = [{"ResourceType": "elastic-ip", "Tags": TAGS}]
        allocated: str = self.aws.allocate_address(Domain="vpc", TagSpecifications=labels)["AllocationId"]
        return allocated

    def held(self) -> dict[str, str]:
        return {item.get("InstanceId", ""): item["PublicIp"] for item in self.aws.describe_addresses()["Addresses"]}


@pytest.fixture
def place(load: Load, aws: Any) -> Place:
    return Place(load, aws)


def test_what_a_killed_run_left_is_used_first(place: Place) -> None:
    left = place.allocate()
    change = place.elastic.ensure_kept(place.fleet, place.ids, timeout=5)
    assert change.addresses == place.held()
    assert left in {item["AllocationId"] for item in place.aws.describe_addresses()["Addresses"]}
    assert not place.elastic.ensure_kept(place.fleet, place.ids, timeout=5).is_change


def test_what_nobody_wants_is_given_back_and_somebody_elses_is_not(place: Place) -> None:
    place.elastic.ensure_kept(place.fleet, place.ids, timeout=5)
    other = place.aws.allocate_address(Domain="vpc")["PublicIp"]
    spare = place.allocate()
    assert place.elastic.ensure_kept(place.fleet, place.ids, timeout=5).released == [spare]
    assert place.elastic.end_addresses(place.fleet)
    assert place.held() == {"": other}


def test_in_check_mode_nothing_is_asked_for(place: Place) -> None:
    change = place.elastic.ensure_kept(place.fleet, place.ids, timeout=5, check_mode=True)
    assert (list(change.addresses), place.held()) == (place.ids, {})


def test_who_gets_none_is_told_why(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"Error": {"Code": "AddressLimitExceeded", "Message": "The maximum number of addresses has been reached."}}

    def refuse(**_: Any) -> None:
        raise ClientError(said, "AllocateAddress")  # type: ignore[arg-type]

    place.allocate()
    monkeypatch.setattr(place.aws, "allocate_address", refuse)
    change = place.elastic.ensure_kept(place.fleet, place.ids, timeout=5)
    assert list(change.addresses) == place.ids[:1]
    [reason] = change.failures.values()
    assert (list(change.failures), "Service Quotas" in reason.fix) == (place.ids[1:], True)
