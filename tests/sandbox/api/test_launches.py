"""RunInstances: once for each token, and not at all for what AWS does not have."""

from __future__ import annotations

import base64
import ipaddress
from uuid import uuid4

from support.aws import Aws, refused
from support.promises import drive


def a_token_launches_once(aws: Aws) -> None:
    token, network = str(uuid4()), aws.network()
    assert aws.launch(network, ClientToken=token) == aws.launch(network, ClientToken=token)


def a_token_belongs_to_its_parameters(aws: Aws) -> None:
    token, network = str(uuid4()), aws.network()
    aws.launch(network, ClientToken=token)
    with refused("IdempotentParameterMismatch"):
        aws.launch(network, ClientToken=token, InstanceType="m5.xlarge")


def a_token_makes_one_volume(aws: Aws) -> None:
    token, zone = str(uuid4()), f"{aws.region}a"
    first = aws.ec2.create_volume(AvailabilityZone=zone, Size=1, ClientToken=token)
    assert aws.ec2.create_volume(AvailabilityZone=zone, Size=1, ClientToken=token)["VolumeId"] == first["VolumeId"]


def an_unknown_instance_type_is_refused(aws: Aws) -> None:
    with refused("InvalidParameterValue", text="t9.micro"):
        aws.launch(aws.network(), InstanceType="t9.micro")


def an_instance_type_the_region_lacks_is_refused(aws: Aws) -> None:
    stockholm = aws.elsewhere("eu-north-1")
    with refused("Unsupported"):
        stockholm.launch(InstanceType="t2.micro")


def an_instance_type_the_zone_lacks_is_refused(aws: Aws) -> None:
    oregon = aws.elsewhere("us-west-2")
    network = oregon.network(zone="d")
    with refused("Unsupported", text="us-west-2a, us-west-2b, us-west-2c"):
        oregon.launch(network, InstanceType="t2.micro")


def an_unknown_image_is_refused(aws: Aws) -> None:
    with refused("InvalidAMIID.NotFound"):
        aws.launch(aws.network(), ImageId="ami-0123456789abcdef0")


def an_image_of_another_architecture_is_refused(aws: Aws) -> None:
    with refused("InvalidParameterValue", text="architecture"):
        aws.launch(aws.network(), InstanceType="t4g.micro")


def an_unknown_key_pair_is_refused(aws: Aws) -> None:
    with refused("InvalidKeyPair.NotFound"):
        aws.launch(aws.network(), KeyName="nobodys")


def a_bad_public_key_is_refused(aws: Aws) -> None:
    for material in (b"ssh-ed25519 AAAAnonsense", b"", b"-----BEGIN PUBLIC KEY-----", b"\xff\xfe"):
        with refused("InvalidKey.Format"):
            aws.ec2.import_key_pair(KeyName=f"bad-{len(material)}", PublicKeyMaterial=material)


def a_volume_smaller_than_its_image_is_refused(aws: Aws) -> None:
    small = [{"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 4}}]
    with refused("InvalidBlockDeviceMapping"):
        aws.launch(aws.network(), BlockDeviceMappings=small)


def a_group_of_another_network_is_refused(aws: Aws) -> None:
    network, other = aws.network(), aws.network(cidr="10.78.0.0/16")
    with refused("InvalidParameter", text="different networks"):
        aws.launch(network, SecurityGroupIds=[other.group])


def as_many_as_possible_are_launched(aws: Aws) -> None:
    launched = aws.launch_many(aws.network(), MinCount=1, MaxCount=3)
    assert len(launched) == 3, f"{len(launched)} instances"


def a_launch_without_subnet_is_in_the_default_one(aws: Aws) -> None:
    instance = aws.instance(aws.launch())
    (subnet,) = aws.ec2.describe_subnets(SubnetIds=[instance["SubnetId"]])["Subnets"]
    private = ipaddress.ip_address(instance["PrivateIpAddress"])
    assert private in ipaddress.ip_network(subnet["CidrBlock"]), instance["PrivateIpAddress"]


def canonical_publishes_ubuntu_images(aws: Aws) -> None:
    found = aws.ec2.describe_images(
        Owners=["099720109477"],
        Filters=[
            {"Name": "name", "Values": ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"]},
            {"Name": "root-device-type", "Values": ["ebs"]},
        ],
    )
    assert len(found["Images"]) > 1, "no choice of images"


PROMISES = (
    a_token_launches_once,
    a_token_belongs_to_its_parameters,
    a_token_makes_one_volume,
    an_unknown_instance_type_is_refused,
    an_instance_type_the_region_lacks_is_refused,
    an_instance_type_the_zone_lacks_is_refused,
    an_unknown_image_is_refused,
    an_image_of_another_architecture_is_refused,
    an_unknown_key_pair_is_refused,
    a_bad_public_key_is_refused,
    a_volume_smaller_than_its_image_is_refused,
    a_group_of_another_network_is_refused,
    as_many_as_possible_are_launched,
    a_launch_without_subnet_is_in_the_default_one,
    canonical_publishes_ubuntu_images,
)


test_the_sandbox_keeps, test_plain_moto_breaks = drive(PROMISES)


def test_a_token_may_be_used_again_in_another_region(aws: Aws) -> None:
    token = str(uuid4())
    assert aws.launch(ClientToken=token) != aws.elsewhere("eu-west-3").launch(ClientToken=token)


def test_a_repeated_launch_is_told_in_its_present_state(aws: Aws) -> None:
    token, network = str(uuid4()), aws.network()
    first = aws.launch(network, ClientToken=token)
    aws.wait(first, "running")
    aws.ec2.create_tags(Resources=[first], Tags=[{"Key": "seen", "Value": "yes"}])
    (again,) = aws.launch_many(network, ClientToken=token)
    assert {"Key": "seen", "Value": "yes"} in again["Tags"]


def test_a_refused_launch_leaves_no_trace(aws: Aws) -> None:
    network = aws.network()
    with refused("InvalidGroup.NotFound"):
        aws.launch(network, SecurityGroupIds=["sg-0123456789abcdef0"])
    aws.launch(network, PrivateIpAddress="10.77.1.20")
    with refused("InvalidIPAddress.InUse"):
        aws.launch(network, PrivateIpAddress="10.77.1.20")
    assert all(reservation["Instances"] for reservation in aws.ec2.describe_instances()["Reservations"])


def test_an_instance_knows_its_user_data_and_key(aws: Aws) -> None:
    aws.ec2.create_key_pair(KeyName="mine", KeyType="ed25519")
    launched = aws.launch(aws.network(), KeyName="mine", UserData="#!/bin/sh\n")
    answer = aws.ec2.describe_instance_attribute(InstanceId=launched, Attribute="userData")
    assert base64.b64decode(answer["UserData"]["Value"]) == b"#!/bin/sh\n"
    assert aws.instance(launched)["KeyName"] == "mine"


def test_the_root_volume_is_as_asked_for(aws: Aws) -> None:
    root = {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 30, "VolumeType": "gp3", "Encrypted": True}}
    launched = aws.launch(aws.network(), BlockDeviceMappings=[root])
    (mapping,) = aws.instance(launched)["BlockDeviceMappings"]
    (volume,) = aws.ec2.describe_volumes(VolumeIds=[mapping["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["VolumeType"], volume["Encrypted"]) == (30, "gp3", True)
