from __future__ import annotations

from typing import Any

import pytest

from support.plugins import Load


class Place:
    """The module's functions, and a class of two in a moto of its own."""

    def __init__(self, load: Load, aws: Any) -> None:
        self.aws = aws
        self.resizes = load("module_utils/dstk_resize")
        self.fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
        image = aws.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
        self.ids = [self.launch(image, "ada"), self.launch(image, "ben", "eve")]

    def launch(self, image: str, *students: str) -> str:
        tags = {"dstk:deployment": "csx450"} | {f"dstk:seat:{n:02d}": name for n, name in enumerate(students, 1)}
        made = self.aws.run_instances(
            ImageId=image,
            InstanceType="t3.large",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[
                {"ResourceType": "instance", "Tags": [{"Key": key, "Value": tags[key]} for key in tags]}
            ],
        )
        launched: str = made["Instances"][0]["InstanceId"]
        return launched

    def choose(self, *named: str) -> tuple[list[str], list[str]]:
        chosen, failures = self.resizes.choose(self.fleet.find(), set(named), "keeps its type")
        return [item["InstanceId"] for item in chosen], [failure["student"] for failure in failures]

    def ensure(self, name: str, **more: Any) -> list[str]:
        changed, refused = self.resizes.ensure_type(self.fleet, self.fleet.find(), name, timeout=5, **more)
        assert not refused
        done: list[str] = changed
        return done

    def seen(self) -> list[tuple[str, str]]:
        return [(item["InstanceType"], item["State"]["Name"]) for item in self.fleet.find()]


@pytest.fixture
def place(load: Load, aws: Any) -> Place:
    return Place(load, aws)


def test_hosts_are_stopped_and_have_the_type_and_a_second_time_nothing_is_done(place: Place) -> None:
    assert set(place.ensure("m7i.large")) == set(place.ids)
    assert place.seen() == [("m7i.large", "stopped")] * 2
    assert place.ensure("m7i.large") == []


def test_what_an_interrupted_run_left_is_ended(place: Place) -> None:
    place.aws.stop_instances(InstanceIds=place.ids)
    place.aws.modify_instance_attribute(InstanceId=place.ids[0], InstanceType={"Value": "m7i.large"})
    assert place.ensure("m7i.large") == place.ids[1:]
    assert {name for name, _ in place.seen()} == {"m7i.large"}


@pytest.mark.parametrize(("name", "reason"), [("t4g.large", "machine of x86_64"), ("t9.huge", "does not offer")])
def test_a_type_that_cannot_be_is_refused_before_any_is_stopped(place: Place, name: str, reason: str) -> None:
    with pytest.raises(place.resizes.WrongTypeError, match=reason):
        place.ensure(name)
    assert place.seen() == [("t3.large", "running")] * 2


def test_a_type_that_the_zone_lacks_is_refused(place: Place) -> None:
    kind = {"architecture": "x86_64", "zones": ["us-west-2z"]}
    assert "us-west-2z only" in place.resizes.find_misfits("m7i.large", kind, place.fleet.find())


def test_in_check_mode_nothing_is_stopped(place: Place) -> None:
    assert set(place.ensure("m7i.large", check_mode=True)) == set(place.ids)
    assert place.seen() == [("t3.large", "running")] * 2


def test_a_host_on_which_others_sit_is_left_out(place: Place) -> None:
    assert {*place.choose()[0]} == {*place.ids}
    assert place.choose("ada") == (place.ids[:1], [])
    assert place.choose("ben") == ([], ["ben"])
    assert place.choose("ben", "eve") == (place.ids[1:], [])
