"""Volumes are attached to one instance of their zone, after a moment, and never become smaller."""

from __future__ import annotations

import time

from support.aws import Aws, refused
from support.promises import drive


def make_volume(aws: Aws, *, zone: str = "a", size: int = 2) -> str:
    return aws.ec2.create_volume(AvailabilityZone=f"{aws.region}{zone}", Size=size)["VolumeId"]


def launch(aws: Aws) -> str:
    instance = aws.launch(aws.network())
    aws.wait(instance, "running")
    return instance


def find_state(aws: Aws, volume: str) -> str:
    """How the volume is attached, or `none`."""
    attachments = aws.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"]
    return attachments[0]["State"] if attachments else "none"


def wait(aws: Aws, volume: str, state: str) -> None:
    deadline = time.monotonic() + 15
    while (now := find_state(aws, volume)) != state:
        assert time.monotonic() < deadline, f"{volume} is {now}"
        time.sleep(0.1)


def attaching_and_detaching_take_a_moment(aws: Aws) -> None:
    instance, volume = launch(aws), make_volume(aws)
    aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    assert find_state(aws, volume) == "attaching"
    wait(aws, volume, "attached")
    aws.ec2.detach_volume(VolumeId=volume)
    assert find_state(aws, volume) == "detaching"
    wait(aws, volume, "none")


def a_volume_is_one_instances_at_a_time(aws: Aws) -> None:
    instance, volume = launch(aws), make_volume(aws)
    aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
    with refused("VolumeInUse"):
        aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdg")


def a_volume_stays_in_its_zone(aws: Aws) -> None:
    instance, volume = launch(aws), make_volume(aws, zone="b")
    with refused("InvalidVolume.ZoneMismatch"):
        aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")


def a_place_is_one_volumes_at_a_time(aws: Aws) -> None:
    instance = launch(aws)
    aws.ec2.attach_volume(VolumeId=make_volume(aws), InstanceId=instance, Device="/dev/sdf")
    with refused("InvalidParameterValue", text="already in use"):
        aws.ec2.attach_volume(VolumeId=make_volume(aws), InstanceId=instance, Device="/dev/sdf")


def an_instance_that_begins_gets_no_volume_yet(aws: Aws) -> None:
    instance, volume = aws.launch(aws.network()), make_volume(aws)
    with refused("IncorrectState"):
        aws.ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")


def the_root_of_a_running_instance_stays(aws: Aws) -> None:
    instance = launch(aws)
    root = aws.instance(instance)["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    with refused("OperationNotPermitted"):
        aws.ec2.detach_volume(VolumeId=root, InstanceId=instance, Device="/dev/sda1")


def a_volume_never_becomes_smaller(aws: Aws) -> None:
    volume = make_volume(aws)
    with refused("InvalidParameterValue"):
        aws.ec2.modify_volume(VolumeId=volume, Size=1)


def a_volume_is_as_large_as_its_snapshot(aws: Aws) -> None:
    snapshot = aws.ec2.create_snapshot(VolumeId=make_volume(aws))["SnapshotId"]
    with refused("InvalidParameterValue"):
        aws.ec2.create_volume(AvailabilityZone=f"{aws.region}a", Size=1, SnapshotId=snapshot)


def a_snapshot_stays_as_large_as_its_volume_was(aws: Aws) -> None:
    volume = make_volume(aws)
    snapshot = aws.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    aws.ec2.modify_volume(VolumeId=volume, Size=3)
    assert aws.ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["VolumeSize"] == 2


test_sandbox, test_plain_moto = drive(
    (
        attaching_and_detaching_take_a_moment,
        a_volume_is_one_instances_at_a_time,
        a_volume_stays_in_its_zone,
        a_place_is_one_volumes_at_a_time,
        an_instance_that_begins_gets_no_volume_yet,
        the_root_of_a_running_instance_stays,
        a_volume_never_becomes_smaller,
        a_volume_is_as_large_as_its_snapshot,
        a_snapshot_stays_as_large_as_its_volume_was,
    )
)


def test_a_volume_of_a_launch_outlives_its_instance(aws: Aws) -> None:
    data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 3, "VolumeType": "gp3", "DeleteOnTermination": False}}
    instance = aws.launch(aws.network(), BlockDeviceMappings=[data])
    aws.wait(instance, "running")
    mappings = aws.instance(instance)["BlockDeviceMappings"]
    [volume] = [mapping["Ebs"]["VolumeId"] for mapping in mappings if mapping["DeviceName"] == "/dev/sdf"]
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated")
    wait(aws, volume, "none")
