"""Images that are made of instances."""

from __future__ import annotations

import time

from support.aws import Aws, refused
from support.promises import drive


def an_image_is_pending_until_its_disks_are_kept(aws: Aws) -> None:
    instance = aws.launch()
    aws.wait(instance, "running")
    image = aws.ec2.create_image(InstanceId=instance, Name="mine")["ImageId"]
    states = []
    deadline = time.monotonic() + 15
    while "available" not in states and time.monotonic() < deadline:
        states.append(aws.ec2.describe_images(ImageIds=[image])["Images"][0]["State"])
        time.sleep(0.02)
    assert (states[0], states[-1]) == ("pending", "available")


def two_images_cannot_have_one_name(aws: Aws) -> None:
    instance = aws.launch()
    aws.wait(instance, "running")
    aws.ec2.create_image(InstanceId=instance, Name="mine")
    with refused("InvalidAMIName.Duplicate"):
        aws.ec2.create_image(InstanceId=instance, Name="mine")


def an_instance_cannot_be_launched_from_an_image_that_is_not_there_yet(aws: Aws) -> None:
    instance = aws.launch()
    aws.wait(instance, "running")
    image = aws.ec2.create_image(InstanceId=instance, Name="mine")["ImageId"]
    with refused("InvalidAMIID.Unavailable"):
        aws.launch(ImageId=image)


test_the_sandbox_keeps, test_plain_moto_breaks = drive(
    (
        an_image_is_pending_until_its_disks_are_kept,
        two_images_cannot_have_one_name,
        an_instance_cannot_be_launched_from_an_image_that_is_not_there_yet,
    )
)
