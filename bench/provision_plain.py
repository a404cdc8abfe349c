"""What `dstk` is compared with: the same network and instances, made by a plain boto3 script with batched calls.

`provision_plain.py N PUBLIC_KEY_FILE` asks the AWS that AWS_ENDPOINT_URL names, and ends when all N instances run. It
finds nothing that is there, mends nothing and cannot be run twice: that is what dstk's time is spent on beyond this.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

NAME, REGION, TYPE = "plain", "us-west-2", "t2.micro"
BATCH = 50


def tagged(*kinds: str, **more: str) -> list[dict[str, Any]]:
    """Answer tags for what a call makes."""
    tags = [{"Key": key, "Value": value} for key, value in {"dstk:deployment": NAME, "Name": NAME, **more}.items()]
    return [{"ResourceType": kind, "Tags": tags} for kind in kinds]


def make_network(ec2: Any, zones: list[str]) -> tuple[list[str], str]:
    """Make VPC, gateway, table, subnets and group; answer the subnets and the group."""
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))["InternetGateway"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway["InternetGatewayId"])
    subnets = []
    for number, zone in enumerate(zones):
        network = f"10.78.{number * 16}.0/20"
        request = {"VpcId": vpc, "CidrBlock": network, "AvailabilityZone": zone}
        subnet = ec2.create_subnet(**request, TagSpecifications=tagged("subnet"))["Subnet"]["SubnetId"]
        ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
        subnets.append(subnet)
    group = ec2.create_security_group(
        GroupName=NAME, Description=NAME, VpcId=vpc, TagSpecifications=tagged("security-group")
    )["GroupId"]
    rules = [
        {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]}
        for port in (22, 8888)
    ]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
    return subnets, group


def launch(ec2: Any, count: int, subnet: str, group: str) -> list[str]:
    """Launch in batches, and tag each instance with its student."""
    images = ec2.describe_images(
        Owners=["099720109477"],
        Filters=[
            {"Name": "name", "Values": ["ubuntu/images/hvm-ssd*/ubuntu-*-24.04-amd64-server-*"]},
            {"Name": "state", "Values": ["available"]},
        ],
    )["Images"]
    image = max(images, key=lambda found: str(found["CreationDate"]))
    volume = {"VolumeSize": 30, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
    interface = {"DeviceIndex": 0, "AssociatePublicIpAddress": True, "SubnetId": subnet, "Groups": [group]}
    ids: list[str] = []
    while len(ids) < count:
        answer = ec2.run_instances(
            ImageId=image["ImageId"],
            InstanceType=TYPE,
            KeyName=NAME,
            MinCount=1,
            MaxCount=min(BATCH, count - len(ids)),
            MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            BlockDeviceMappings=[{"DeviceName": image["RootDeviceName"], "Ebs": volume}],
            NetworkInterfaces=[interface],
            TagSpecifications=tagged("instance", "volume", "network-interface"),
        )
        ids += [instance["InstanceId"] for instance in answer["Instances"]]
    for number, instance_id in enumerate(ids, start=1):
        student = f"student{number:03d}"
        tags = {"dstk:student": student, "dstk:seat:01": student, "Name": f"{NAME}-{student}"}
        ec2.create_tags(Resources=[instance_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()])
    return ids


def await_running(ec2: Any, count: int) -> None:
    """Ask once a second until all run."""
    by = [
        {"Name": "tag:dstk:deployment", "Values": [NAME]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    pages = ec2.get_paginator("describe_instances")
    while sum(len(found["Instances"]) for page in pages.paginate(Filters=by) for found in page["Reservations"]) < count:
        time.sleep(1)


def main() -> None:
    """Make all of it."""
    count, key = int(sys.argv[1]), Path(sys.argv[2]).read_bytes()
    ec2: Any = boto3.client("ec2", REGION, config=Config(retries={"mode": "adaptive", "total_max_attempts": 20}))
    ec2.import_key_pair(KeyName=NAME, PublicKeyMaterial=key, TagSpecifications=tagged("key-pair"))
    offers = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": [TYPE]}]
    )["InstanceTypeOfferings"]
    subnets, group = make_network(ec2, sorted(offer["Location"] for offer in offers))
    launch(ec2, count, subnets[0], group)
    await_running(ec2, count)


if __name__ == "__main__":
    main()
