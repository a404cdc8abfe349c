"""The network of a deployment is gone, and nobody else's is."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load

TAGS = [{"Key": "dstk:deployment", "Value": "csx450"}]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6sKcYQXT4yVqZ3o5dWzZ8x6j2Y0Zk0p0zYxJmQ1fGk ada"


@pytest.fixture
def end(load: Load) -> ModuleType:
    return load("module_utils/dstk_network_end")


def tagged(kind: str) -> dict[str, Any]:
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": TAGS}]}


def make(aws: Any) -> dict[str, str]:
    """A network as dstk makes it: all that carries the tag."""
    vpc = aws.create_vpc(CidrBlock="10.77.0.0/16", **tagged("vpc"))["Vpc"]["VpcId"]
    gateway = aws.create_internet_gateway(**tagged("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    aws.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    subnet = aws.create_subnet(VpcId=vpc, CidrBlock="10.77.0.0/20", **tagged("subnet"))["Subnet"]["SubnetId"]
    table = aws.create_route_table(VpcId=vpc, **tagged("route-table"))["RouteTable"]["RouteTableId"]
    aws.associate_route_table(RouteTableId=table, SubnetId=subnet)
    about = {"GroupName": "csx450", "Description": "x", "VpcId": vpc}
    group = aws.create_security_group(**about, **tagged("security-group"))["GroupId"]
    pair = aws.import_key_pair(KeyName="csx450", PublicKeyMaterial=KEY.encode(), **tagged("key-pair"))["KeyPairId"]
    return {"vpc": vpc, "gateway": gateway, "subnet": subnet, "table": table, "group": group, "pair": pair}


def test_all_that_carries_the_tag_goes_and_a_second_time_nothing_is_left_to_do(end: ModuleType, aws: Any) -> None:
    made = make(aws)
    assert set(end.NetworkEnd(aws, "csx450", 5).remove()) == set(made.values())
    assert aws.describe_vpcs(VpcIds=[aws.describe_vpcs()["Vpcs"][0]["VpcId"]])["Vpcs"][0]["IsDefault"] is True
    assert end.NetworkEnd(aws, "csx450", 5).remove() == []


def test_what_is_of_another_deployment_stays(end: ModuleType, aws: Any) -> None:
    made = make(aws)
    assert end.NetworkEnd(aws, "other", 5).remove() == []
    assert aws.describe_vpcs(VpcIds=[made["vpc"]])["Vpcs"]


def test_check_mode_removes_nothing_and_tells_what_it_would(end: ModuleType, aws: Any) -> None:
    made = make(aws)
    assert set(end.NetworkEnd(aws, "csx450", 5, check_mode=True).remove()) == set(made.values())
    assert aws.describe_security_groups(GroupIds=[made["group"]])["SecurityGroups"]


def refuse(monkeypatch: pytest.MonkeyPatch, aws: Any, code: str, times: int) -> list[str]:
    """Let AWS refuse to delete a security group so often; the list grows by each try."""
    tries: list[str] = []
    real = aws.delete_security_group

    def delete(**request: Any) -> Any:
        tries.append(request["GroupId"])
        if len(tries) <= times:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DeleteSecurityGroup")
        return real(**request)

    monkeypatch.setattr(aws, "delete_security_group", delete)
    return tries


def test_what_is_still_in_use_is_waited_for(end: ModuleType, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end, "PAUSE", 0)
    made, tries = make(aws), refuse(monkeypatch, aws, "DependencyViolation", 2)
    assert made["group"] in end.NetworkEnd(aws, "csx450", 5).remove()
    assert len(tries) == 3


def test_what_stays_in_use_is_told_and_what_comes_after_it_stays(
    end: ModuleType, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(aws)
    refuse(monkeypatch, aws, "DependencyViolation", 99)
    with pytest.raises(ClientError, match="DependencyViolation"):
        end.NetworkEnd(aws, "csx450", 0).remove()
    assert aws.describe_vpcs(VpcIds=[made["vpc"]])["Vpcs"]


def test_what_somebody_else_removed_meanwhile_stops_nothing(
    end: ModuleType, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(aws)
    tries = refuse(monkeypatch, aws, "InvalidGroup.NotFound", 99)
    assert made["vpc"] in end.NetworkEnd(aws, "csx450", 5).remove()
    assert tries == [made["group"]]
