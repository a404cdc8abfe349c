from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dstk_runner.errors import CredentialsError
from dstk_runner.resources import find_resources
from dstk_runner.results import Resource

TAGS = [{"Key": "dstk:deployment", "Value": "tried"}, {"Key": "Name", "Value": "tried-ada"}]


@pytest.fixture
def ec2(home: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        yield boto3.client("ec2", "us-west-2")


def tagged(kind: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": TAGS}]


def find() -> list[Resource]:
    return list(find_resources(deployment="tried", region="us-west-2"))


def launch(ec2: Any) -> str:
    image = ec2.describe_images()["Images"][0]["ImageId"]
    options = {"TagSpecifications": tagged("instance")}
    return str(ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **options)["Instances"][0]["InstanceId"])


def test_nothing_is_found_where_nothing_is(ec2: Any) -> None:
    assert find() == []


def test_what_belongs_to_others_is_not_found(ec2: Any) -> None:
    ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": TAGS[1:]}])
    assert find() == []


def test_each_kind_is_found_by_its_tag(ec2: Any) -> None:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", TagSpecifications=tagged("subnet"))
    ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))
    ec2.create_route_table(VpcId=vpc, TagSpecifications=tagged("route-table"))
    ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc, TagSpecifications=tagged("security-group"))
    ec2.create_key_pair(KeyName="tried", TagSpecifications=tagged("key-pair"))
    volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1, TagSpecifications=tagged("volume"))["VolumeId"]
    ec2.create_snapshot(VolumeId=volume, TagSpecifications=tagged("snapshot"))
    ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
    launch(ec2)
    assert [resource.kind for resource in find()] == [
        *("instance", "elastic ip", "volume", "snapshot", "key pair", "security group"),
        *("subnet", "route table", "internet gateway", "vpc"),
    ]


def test_more_than_one_page_is_read(ec2: Any) -> None:
    for number in range(3):
        ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16", TagSpecifications=tagged("vpc"))
    assert len(find()) == 3


def test_instances_and_disks_cost_money_and_networks_do_not(ec2: Any) -> None:
    ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc"))
    launch(ec2)
    assert {resource.kind: resource.billed for resource in find()} == {"instance": True, "vpc": False}


def test_a_terminated_instance_is_no_more(ec2: Any) -> None:
    ec2.terminate_instances(InstanceIds=[launch(ec2)])
    assert find() == []


def test_a_resource_is_known_by_its_name_and_state(ec2: Any) -> None:
    launch(ec2)
    [resource] = find()
    assert (resource.name, resource.state) == ("tried-ada", "running")


def test_without_credentials_the_remedy_is_told(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CredentialsError, match="aws configure"):
        find()


@pytest.mark.parametrize(("region", "usd"), [("us-west-2", 0.8), ("us-gov-west-1", None)])
def test_a_volume_tells_what_it_costs_a_month_where_that_is_known(ec2: Any, region: str, usd: float | None) -> None:
    client: Any = boto3.client("ec2", region)
    client.create_volume(AvailabilityZone=f"{region}a", Size=10, VolumeType="gp3", TagSpecifications=tagged("volume"))
    assert [resource.usd_month for resource in find_resources(deployment="tried", region=region)] == [usd]
