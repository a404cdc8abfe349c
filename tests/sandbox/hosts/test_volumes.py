"""What is written to a volume is there wherever it is attached, and in what is made of its snapshots."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import sandbox
from support.aws import Aws
from support.reach import open_port, ssh, until

ZONE = "us-west-2a"
NODE = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}"


@pytest.fixture(scope="module")
def launched(folder: Path, key: Path) -> tuple[Aws, str, str]:
    """An API, an instance that has a volume from its launch on, and the volume."""
    state = sandbox.up(mode="hosts", directory=folder)
    aws = Aws(state.endpoint, state.access_key_id, state.secret_access_key, "us-west-2")
    name = f"volumes-{time.monotonic_ns()}"
    aws.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    vpc = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = aws.ec2.create_security_group(GroupName=name, Description="volumes", VpcId=vpc)["GroupId"]
    open_port(aws, group, 22)
    return aws, *launch(aws, KeyName=name, SecurityGroupIds=[group])


def launch(aws: Aws, **more: Any) -> tuple[str, str]:
    data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "VolumeType": "gp3", "DeleteOnTermination": False}}
    more |= {"InstanceType": "t3.micro", "Placement": {"AvailabilityZone": ZONE}, "BlockDeviceMappings": [data]}
    instance = aws.launch(**more)
    aws.wait(instance, "running", seconds=60)
    return instance, find_volume(aws, instance, "/dev/sdf")


def find_volume(aws: Aws, instance: str, device: str) -> str:
    mappings = aws.instance(instance)["BlockDeviceMappings"]
    return next(mapping["Ebs"]["VolumeId"] for mapping in mappings if mapping["DeviceName"] == device)


def find_node(volume: str) -> str:
    return NODE.format(volume.replace("-", ""))


def find_loops(folder: Path) -> list[str]:
    """The files of the sandbox's volumes that the kernel has a loop device of."""
    backing = (path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing_file"))
    return [name for name in backing if name.startswith(str(folder))]


def test_a_volume_follows_the_api(launched: tuple[Aws, str, str], key: Path, folder: Path) -> None:
    aws, instance, volume = launched
    made = f"sudo mkfs.ext4 -q -L work {find_node(volume)} && sudo udevadm settle"
    mounted = "sudo mkdir -p /mnt && sudo mount LABEL=work /mnt"
    ssh(aws, instance, key, f"{made} && {mounted} && echo kept | sudo tee /mnt/note")
    # a snapshot holds what was written until then, and a volume of it does so too
    snapshot = aws.ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    ssh(aws, instance, key, "echo later | sudo tee /mnt/note")
    other = aws.ec2.create_volume(AvailabilityZone=ZONE, SnapshotId=snapshot)["VolumeId"]
    aws.ec2.attach_volume(VolumeId=other, InstanceId=instance, Device="/dev/sdg")
    until(lambda: ssh(aws, instance, key, f"test -b {find_node(other)} && echo there") == "there")
    beside = f"sudo mkdir -p /beside && sudo mount {find_node(other)} /beside && cat /beside/note; sudo umount /beside"
    assert ssh(aws, instance, key, beside) == "kept"
    aws.ec2.detach_volume(VolumeId=other)
    until(lambda: not aws.ec2.describe_volumes(VolumeIds=[other])["Volumes"][0]["Attachments"])
    aws.ec2.delete_volume(VolumeId=other)
    # it grows while it is in use
    aws.ec2.modify_volume(VolumeId=volume, Size=2)
    assert ssh(aws, instance, key, f"sudo blockdev --getsize64 {find_node(volume)}") == str(2 * 1024**3)
    # it outlives a stop, in which the kernel of this machine lets go of it
    aws.ec2.stop_instances(InstanceIds=[instance])
    aws.wait(instance, "stopped", seconds=60)
    assert find_loops(folder) == []
    aws.ec2.start_instances(InstanceIds=[instance])
    aws.wait(instance, "running", seconds=60)
    assert ssh(aws, instance, key, f"{mounted} && cat /mnt/note") == "later"
    # and its instance
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated", seconds=60)
    assert aws.ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["State"] == "available"
    assert find_loops(folder) == []


def test_down_leaves_no_loop_device(launched: tuple[Aws, str, str], folder: Path) -> None:
    launch(launched[0])
    assert find_loops(folder)
    sandbox.down(directory=folder)
    assert find_loops(folder) == []
    assert list((folder / "volumes").glob("*")) == []
