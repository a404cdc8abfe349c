from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load

ZONES = ["us-west-2a", "us-west-2b"]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDqlVmEBp8dKzHLRQ0yGrD9vm9fSBzjmMB4D8eeBbcMK ada@here"
RULE = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "203.0.113.7/32"}]}


@pytest.fixture(scope="module")
def parts(load: Load) -> ModuleType:
    return load("module_utils/dstk_network_parts")


class Place:
    """A deployment's network in a moto of its own; each `ensure` is a run of its own."""

    def __init__(self, parts: ModuleType, aws: Any) -> None:
        self.aws = aws
        self._parts = parts

    def network(self, *, check_mode: bool = False) -> Any:
        return self._parts.Network(self.aws, self.aws, "csx450", check_mode)

    def ensure(self, *, check_mode: bool = False) -> list[str]:
        """What a run changes."""
        network = self.network(check_mode=check_mode)
        network.ensure_key(KEY, "~/.ssh/id_ed25519")
        vpc_id, cidr = network.ensure_vpc("10.77.0.0/16")
        subnets = network.ensure_subnets(vpc_id, cidr, ZONES)
        network.ensure_routes(vpc_id, network.ensure_gateway(vpc_id), subnets)
        network.ensure_group(vpc_id, [RULE])
        changes: list[str] = network.changes
        return changes

    def find(self, kind: str, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = getattr(self.aws, f"describe_{kind}")(Filters=self.network().by_tag)[key]
        return found


@pytest.fixture
def place(parts: ModuleType, aws: Any) -> Place:
    return Place(parts, aws)


def test_a_second_run_changes_nothing(place: Place) -> None:
    assert place.ensure()
    assert place.ensure() == []


def test_all_subnets_lead_to_the_internet_and_give_addresses(place: Place) -> None:
    place.ensure()
    [table] = place.find("route_tables", "RouteTables")
    subnets = place.find("subnets", "Subnets")
    assert {subnet["AvailabilityZone"] for subnet in subnets if subnet["MapPublicIpOnLaunch"]} == set(ZONES)
    assert {place.get("SubnetId") for place in table["Associations"]} == {subnet["SubnetId"] for subnet in subnets}
    assert any(str(route.get("GatewayId")).startswith("igw-") for route in table["Routes"])


def test_check_mode_makes_nothing_and_says_what_it_would(place: Place) -> None:
    assert "VPC" in place.ensure(check_mode=True)
    assert place.find("vpcs", "Vpcs") == []


def test_a_gateway_that_was_never_attached_is_used(place: Place) -> None:
    place.ensure()
    [gateway] = place.find("internet_gateways", "InternetGateways")
    attached = gateway["Attachments"][0]["VpcId"]
    place.aws.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=attached)
    assert place.ensure() == ["attachment"]
    assert len(place.find("internet_gateways", "InternetGateways")) == 1


def test_of_two_vpcs_the_used_one_is_taken(place: Place) -> None:
    place.ensure()
    used = place.find("subnets", "Subnets")[0]["VpcId"]
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}]
    for _ in range(5):  # an answer that was lost leaves an empty one; ids are random, so one of these comes first
        place.aws.create_vpc(CidrBlock="10.77.0.0/16", TagSpecifications=[{"ResourceType": "vpc", "Tags": tags}])
    assert place.network().ensure_vpc("10.77.0.0/16") == (used, "10.77.0.0/16")


def test_a_rule_of_a_second_administrator_stays(place: Place) -> None:
    place.ensure()
    [group] = place.find("security_groups", "SecurityGroups")
    theirs = {**RULE, "IpRanges": [{"CidrIp": "198.51.100.7/32"}]}
    place.aws.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[theirs])
    assert place.ensure() == []
    [group] = place.find("security_groups", "SecurityGroups")
    assert len(group["IpPermissions"][0]["IpRanges"]) == 2


def test_a_group_of_the_name_that_is_somebody_elses_is_refused(place: Place, parts: ModuleType) -> None:
    vpc = place.aws.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    place.aws.create_security_group(GroupName="csx450", Description="theirs", VpcId=vpc)
    with pytest.raises(parts.NetworkError, match="Fix: choose another `deployment`"):
        place.network().ensure_group(vpc, [RULE])


def test_another_key_under_the_name_is_refused(place: Place, parts: ModuleType) -> None:
    place.aws.create_key_pair(KeyName="csx450")
    with pytest.raises(parts.NetworkError, match="Fix: name the key that made it"):
        place.network().ensure_key(KEY, "~/.ssh/id_ed25519")


def test_the_same_key_with_another_comment_is_taken(place: Place) -> None:
    place.network().ensure_key(KEY, "")
    again = place.network()
    again.ensure_key(KEY.replace("ada@here", "csx450"), "")
    assert again.changes == []


def test_a_subnet_whose_answer_was_lost_is_found_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    create = place.aws.create_subnet

    def create_twice(**request: Any) -> Any:
        create(**request)
        raise ClientError({"Error": {"Code": "InvalidSubnet.Conflict", "Message": ""}}, "CreateSubnet")

    monkeypatch.setattr(place.aws, "create_subnet", create_twice)
    place.ensure()
    assert len(place.find("subnets", "Subnets")) == len(ZONES)


def test_what_ec2_does_not_know_everywhere_yet_is_waited_for(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    attach, refusals = place.aws.attach_internet_gateway, ["InvalidInternetGatewayID.NotFound"] * 3

    def attach_late(**request: Any) -> Any:
        if refusals:
            raise ClientError({"Error": {"Code": refusals.pop(), "Message": ""}}, "AttachInternetGateway")
        return attach(**request)

    monkeypatch.setattr(place.aws, "attach_internet_gateway", attach_late)
    place.ensure()
    assert place.find("internet_gateways", "InternetGateways")[0]["Attachments"]


def test_the_network_of_a_zone_does_not_depend_on_the_other_zones(parts: ModuleType) -> None:
    many = parts.find_places("10.77.0.0/16", ["us-west-2a", "us-west-2c"])
    assert parts.find_places("10.77.0.0/16", ["us-west-2c"])["us-west-2c"] == many["us-west-2c"] == "10.77.32.0/20"


def test_a_vpc_that_is_too_small_for_subnets_is_refused(parts: ModuleType) -> None:
    with pytest.raises(parts.NetworkError, match=r"Fix: .*vpc_cidr"):
        parts.find_places("10.77.0.0/26", ZONES)


def test_each_port_is_open_to_each_network(parts: ModuleType) -> None:
    assert parts.find_rules(["10.0.0.0/8", "2001:db8::/32"], {"notebook": "8888-8927"}) == [
        {
            "IpProtocol": "tcp",
            "FromPort": 8888,
            "ToPort": 8927,
            "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "notebook"}],
        },
        {
            "IpProtocol": "tcp",
            "FromPort": 8888,
            "ToPort": 8927,
            "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32", "Description": "notebook"}],
        },
    ]


@pytest.fixture
def rules_after(place: Place, parts: ModuleType) -> Callable[..., set[tuple[int, str]]]:
    """Port and network of each rule that is there after these runs, each of networks and ports."""

    def run(*runs: tuple[list[str], dict[str, int]]) -> set[tuple[int, str]]:
        vpc = place.network().ensure_vpc("10.77.0.0/16")[0]
        for cidrs, ports in runs:
            place.network().ensure_group(vpc, parts.find_rules(cidrs, ports))
        [group] = place.find("security_groups", "SecurityGroups")
        return {
            (rule["FromPort"], item.get("CidrIp") or item["CidrIpv6"])
            for rule in group["IpPermissions"]
            for item in [*rule["IpRanges"], *rule["Ipv6Ranges"]]
        }

    return run


RulesAfter = Callable[..., set[tuple[int, str]]]


def test_a_port_that_is_not_wanted_any_more_is_closed(rules_after: RulesAfter) -> None:
    everywhere = ["0.0.0.0/0", "::/0"]
    assert rules_after((everywhere, {"ACME": 80, "notebook": 443}), (everywhere, {"notebook": 443})) == {
        (443, "0.0.0.0/0"),
        (443, "::/0"),
    }


def test_two_administrators_do_not_lock_each_other_out(rules_after: RulesAfter) -> None:
    ports = {"SSH": 22, "notebook": 443}
    found = rules_after((["203.0.113.7/32"], ports), (["198.51.100.9/32"], ports))
    assert {cidr for port, cidr in found if port == 22} == {"203.0.113.7/32", "198.51.100.9/32"}


def test_a_rule_that_dstk_did_not_make_stays_whatever_its_port(place: Place, parts: ModuleType) -> None:
    vpc = place.network().ensure_vpc("10.77.0.0/16")[0]
    theirs = parts.find_rules(["203.0.113.7/32"], {"our monitoring": 9100})
    place.network().ensure_group(vpc, theirs)
    again = place.network()
    again.ensure_group(vpc, parts.find_rules(["203.0.113.7/32"], {"SSH": 22}))
    assert again.changes == ["rules"]


def test_only_the_subnets_that_lead_to_the_internet_are_taken_of_an_existing_vpc(
    place: Place, parts: ModuleType
) -> None:
    place.ensure()
    vpc = place.find("vpcs", "Vpcs")[0]["VpcId"]
    place.aws.create_subnet(VpcId=vpc, CidrBlock="10.77.240.0/20", AvailabilityZone="us-west-2a")
    found = parts.find_public_subnets(place.aws, vpc, ZONES)
    public = {subnet["SubnetId"] for subnet in place.find("subnets", "Subnets")}
    assert {subnet["id"] for subnet in found} == public
