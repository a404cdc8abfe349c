"""Which baked images fit, which are kept, and what is left when AWS or a run breaks off."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load

NOTEBOOK = "quay.io/jupyter/datascience-notebook:2026-08-24"
WISH = {"ubuntu": "24.04", "notebook_image": NOTEBOOK, "volume_size": 30}


@pytest.fixture(scope="module")
def baked(load: Load) -> ModuleType:
    return load("module_utils/dstk_baked")


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "image_id": f"ami-{number}",
        "name": f"image {number}",
        "state": "available",
        "created": f"2026-11-{number:02d}",
        "ubuntu": "24.04",
        "architecture": "x86_64",
        "notebook_image": NOTEBOOK,
        "size": 30,
        "root_device_name": "/dev/sda1",
        "snapshots": [f"snap-{number}"],
        **more,
    }


def test_the_newest_is_chosen_for_each_architecture(baked: ModuleType) -> None:
    rows = [row(9), row(8), row(7, architecture="arm64")]
    chosen = baked.choose_baked(rows, **WISH)
    assert {key: found["image_id"] for key, found in chosen.items()} == {"x86_64": "ami-9", "arm64": "ami-7"}
    assert chosen["x86_64"]["baked"] == "2026-11-09"


@pytest.mark.parametrize(
    "other",
    [
        {"ubuntu": "22.04"},
        {"notebook_image": "quay.io/jupyter/datascience-notebook:2026-01-01"},
        {"size": 31},
        {"state": "pending"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_does_not_fit_is_passed_over(baked: ModuleType, other: dict[str, Any]) -> None:
    assert baked.choose_baked([row(9, **other), row(8)], **WISH)["x86_64"]["image_id"] == "ami-8"


def test_the_newest_of_a_kind_are_kept_whatever_the_tag_of_the_notebook_image(baked: ModuleType) -> None:
    earlier = "quay.io/jupyter/datascience-notebook:2026-01-01"
    rows = [row(9), row(8, notebook_image=earlier), row(7), row(6, notebook_image="quay.io/jupyter/r-notebook:1")]
    rows += [row(5, architecture="arm64"), row(4, state="failed"), row(3, state="pending")]
    assert [found["image_id"] for found in baked.find_spare(rows, keep=2)] == ["ami-7", "ami-4"]


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (NOTEBOOK, "quay.io/jupyter/datascience-notebook"),
        ("registry:5000/notebook", "registry:5000/notebook"),
        ("registry:5000/notebook:1", "registry:5000/notebook"),
        ("notebook@sha256:0123", "notebook"),
    ],
)
def test_an_image_has_a_name_without_its_tag(baked: ModuleType, image: str, repository: str) -> None:
    assert baked.find_repository(image) == repository


class Ec2:
    """An EC2 whose one instance has a root volume and another, and whose images are there at the second look."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.removed: list[str] = []
        self.states = ["pending", "available"]
        self.loses_answers = False

    def describe_instances(self, **_: Any) -> dict[str, Any]:
        mappings = [{"DeviceName": "/dev/sda1"}, {"DeviceName": "/dev/sdf"}]
        return {
            "Reservations": [{"Instances": [{"RootDeviceName": "/dev/sda1", "BlockDeviceMappings": mappings}]}],
        }

    def create_image(self, **request: Any) -> dict[str, Any]:
        if self.created:
            raise ClientError({"Error": {"Code": "InvalidAMIName.Duplicate"}}, "CreateImage")
        self.created.append(request)
        if self.loses_answers:
            # botocore sends it again by itself
            return self.create_image(**request)
        return {"ImageId": "ami-1"}

    def describe_images(self, **_: Any) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        disk = {"SnapshotId": "snap-1", "VolumeSize": 30}
        return {"Images": [{"ImageId": "ami-1", "State": state, "BlockDeviceMappings": [{"Ebs": disk}]}]}

    def deregister_image(self, *, ImageId: str) -> None:  # noqa: N803 - AWS's name
        self.removed.append(ImageId)

    def delete_snapshot(self, *, SnapshotId: str) -> None:  # noqa: N803 - AWS's name
        self.removed.append(SnapshotId)


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch, baked: ModuleType) -> Ec2:
    monkeypatch.setattr(baked, "LOOK_SECONDS", 0)
    return Ec2()


def make(baked: ModuleType, ec2: Ec2, *, timeout: float = 5) -> Any:
    wish = {"ubuntu": "24.04", "architecture": "x86_64", "notebook_image": NOTEBOOK}
    return baked.Bakery(ec2).make("i-1", **wish, timeout=timeout)


def test_an_image_is_tagged_from_its_first_moment_and_bears_no_deployment(baked: ModuleType, ec2: Ec2) -> None:
    assert make(baked, ec2)["state"] == "available"
    [request] = ec2.created
    for part in request["TagSpecifications"]:
        tags = {tag["Key"]: tag["Value"] for tag in part["Tags"]}
        assert tags == {"Name": request["Name"], "dstk:baked": "24.04/x86_64", "dstk:notebook-image": NOTEBOOK}
    assert [part["ResourceType"] for part in request["TagSpecifications"]] == ["image", "snapshot"]


def test_only_the_root_volume_is_in_the_image(baked: ModuleType, ec2: Ec2) -> None:
    make(baked, ec2)
    assert ec2.created[0]["BlockDeviceMappings"] == [{"DeviceName": "/dev/sdf", "NoDevice": ""}]


def test_a_lost_answer_makes_no_second_image(baked: ModuleType, ec2: Ec2) -> None:
    ec2.loses_answers = True
    assert make(baked, ec2)["image_id"] == "ami-1"
    assert len(ec2.created) == 1


def test_an_image_that_fails_is_removed_with_its_snapshots(baked: ModuleType, ec2: Ec2) -> None:
    ec2.states = ["failed"]
    with pytest.raises(baked.BakeError, match="failed\nFix: "):
        make(baked, ec2)
    assert ec2.removed == ["ami-1", "snap-1"]


def test_an_image_that_takes_too_long_is_told_and_left_to_aws(baked: ModuleType, ec2: Ec2) -> None:
    ec2.states = ["pending"]
    with pytest.raises(baked.BakeError, match="not there after 0 s\nFix: "):
        make(baked, ec2, timeout=0)
    assert ec2.removed == []


IMAGE = {
    "ImageId": "ami-1",
    "State": "available",
    "BlockDeviceMappings": [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 30, "SnapshotId": "snap-1"}}],
}


@pytest.mark.parametrize(("price", "usd"), [(0.05, 1.5), (None, None)])
def test_an_image_costs_a_month_what_its_snapshots_do_or_nobody_knows(
    baked: ModuleType, price: float | None, usd: float | None
) -> None:
    assert baked.describe(IMAGE, snapshot_usd=price)["usd_month"] == usd


def test_an_image_whose_size_aws_does_not_tell_yet_is_not_free(baked: ModuleType) -> None:
    assert baked.describe({**IMAGE, "BlockDeviceMappings": []}, snapshot_usd=0.05)["usd_month"] is None
