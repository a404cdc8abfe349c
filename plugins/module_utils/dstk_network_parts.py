"""The parts of a deployment's network, each found by its tag or made, so that a repeated run makes none twice."""

from __future__ import annotations

import contextlib
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, filters, find_all, tag_list, tags_of, throttled

SUBNET_BITS = 4
"""A VPC is cut into 2**4 subnets: a region has at most six zones, and each keeps its place."""
VISIBLE_SECONDS = 15
PURPOSES = frozenset({"SSH", "notebook", "notebooks", "ACME"})
"""What dstk describes its rules with, now and in earlier versions."""
DUPLICATES = frozenset(
    {"InvalidSubnet.Conflict", "InvalidGroup.Duplicate", "InvalidKeyPair.Duplicate", "InvalidPermission.Duplicate"}
)
"""What AWS says of a call that botocore sent twice because the first answer was lost: it is there."""


class NetworkError(Exception):
    """What stands against the network; the message says what it is and what to do."""


@dataclass
class Network:
    """The network of a deployment.

    Args:
        client: repeats a call whose connection broke; names and numbers keep what it makes from being doubled.
        once: does not. VPCs, gateways and tables have no name that AWS would refuse a second time.
        check_mode: change nothing, and answer with ids such as vpc-planned.
    """

    client: Any
    once: Any
    deployment: str
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)

    @property
    def by_tag(self) -> list[dict[str, Any]]:
        """The filter that finds the deployment's parts."""
        return filters({f"tag:{DEPLOYMENT_TAG}": [self.deployment]})

    def find(self, kind: str, key: str, **by: str) -> list[dict[str, Any]]:
        """Answer parts that carry the tag."""
        return find_all(
            self.client, f"describe_{kind}", key, Filters=[*self.by_tag, *filters({k: [v] for k, v in by.items()})]
        )

    def ensure_vpc(self, cidr: str) -> tuple[str, str]:
        """See to the VPC; answer its id and network. The most used one is it: a lost answer leaves an empty one."""
        vpcs = self.find("vpcs", "Vpcs")
        if not vpcs:
            made = self._make("VPC", self.once.create_vpc, "vpc", CidrBlock=cidr).get("Vpc", {"VpcId": "vpc-planned"})
            self._change(
                "names", self.client.modify_vpc_attribute, VpcId=made["VpcId"], EnableDnsHostnames={"Value": True}
            )
            return made["VpcId"], cidr
        used = [subnet["VpcId"] for subnet in self.find("subnets", "Subnets")]
        used += [
            place["VpcId"]
            for item in self.find("internet_gateways", "InternetGateways")
            for place in item["Attachments"]
        ]
        vpc = min(vpcs, key=lambda item: (-used.count(item["VpcId"]), item["VpcId"]))
        names = throttled(self.client.describe_vpc_attribute, VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
        if not names["EnableDnsHostnames"]["Value"]:
            self._change(
                "names", self.client.modify_vpc_attribute, VpcId=vpc["VpcId"], EnableDnsHostnames={"Value": True}
            )
        return vpc["VpcId"], vpc["CidrBlock"]

    def ensure_gateway(self, vpc_id: str) -> str:
        """See to the internet gateway, attached to the VPC; answer its id."""
        found = self.find("internet_gateways", "InternetGateways")
        places = {item["InternetGatewayId"]: [place["VpcId"] for place in item["Attachments"]] for item in found}
        here = [key for key, vpcs in places.items() if vpc_id in vpcs]
        if here:
            return here[0]
        free = sorted(key for key, vpcs in places.items() if not vpcs)
        if free:
            gateway = free[0]
        else:
            made = self._make("internet gateway", self.once.create_internet_gateway, "internet-gateway")
            gateway = made.get("InternetGateway", {"InternetGatewayId": "igw-planned"})["InternetGatewayId"]
        self._change("attachment", self.client.attach_internet_gateway, InternetGatewayId=gateway, VpcId=vpc_id)
        return gateway

    def ensure_subnets(self, vpc_id: str, cidr: str, zones: Sequence[str]) -> list[dict[str, str]]:
        """See to a public subnet in each zone; answer id and zone of each."""
        found = {item["AvailabilityZone"]: item for item in self.find("subnets", "Subnets", **{"vpc-id": vpc_id})}
        subnets = []
        for zone, network in find_places(cidr, zones).items():
            subnet = found.get(zone)
            if subnet is None:
                subnet = self._make_subnet(vpc_id, zone, network)
            if not subnet.get("MapPublicIpOnLaunch"):
                wish = {"SubnetId": subnet["SubnetId"], "MapPublicIpOnLaunch": {"Value": True}}
                self._change("public addresses", self.client.modify_subnet_attribute, **wish)
            subnets.append({"id": subnet["SubnetId"], "zone": zone})
        return subnets

    def _make_subnet(self, vpc_id: str, zone: str, network: str) -> dict[str, Any]:
        request = {"VpcId": vpc_id, "AvailabilityZone": zone, "CidrBlock": network}
        name = f"{self.deployment}-{zone}"
        try:
            made = self._make(f"subnet in {zone}", self.client.create_subnet, "subnet", name=name, **request)
        except ClientError as error:
            there = self.find("subnets", "Subnets", **{"vpc-id": vpc_id, "availability-zone": zone})
            if error_code(error) not in DUPLICATES or not there:
                raise
            return there[0]
        return dict(made.get("Subnet", {"SubnetId": f"subnet-planned-{zone}"}))

    def ensure_routes(self, vpc_id: str, gateway: str, subnets: Sequence[Mapping[str, str]]) -> None:
        """See to a route table that leads the subnets to the gateway."""
        found = sorted(
            self.find("route_tables", "RouteTables", **{"vpc-id": vpc_id}), key=lambda item: str(item["RouteTableId"])
        )
        if found:
            table = found[0]
        else:
            made = self._make("route table", self.once.create_route_table, "route-table", VpcId=vpc_id)
            table = made.get("RouteTable", {"RouteTableId": "rtb-planned"})
        routes = {route.get("DestinationCidrBlock"): route.get("GatewayId") for route in table.get("Routes", [])}
        if routes.get("0.0.0.0/0") != gateway:
            call = self.client.replace_route if "0.0.0.0/0" in routes else self.client.create_route
            wish = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway}
            self._change("route to the internet", call, **wish)
        led = {place.get("SubnetId") for place in table.get("Associations", [])}
        for subnet in subnets:
            if subnet["id"] not in led:
                wish = {"RouteTableId": table["RouteTableId"], "SubnetId": subnet["id"]}
                self._change(f"route of {subnet['zone']}", self.client.associate_route_table, **wish)

    def ensure_group(self, vpc_id: str, rules: Sequence[Mapping[str, Any]]) -> str:
        """See to the security group and its rules; answer its id. Rules of others stay."""
        named = filters({"vpc-id": [vpc_id], "group-name": [self.deployment]})
        found = find_all(self.client, "describe_security_groups", "SecurityGroups", Filters=named)
        for group in found:
            if tags_of(group).get(DEPLOYMENT_TAG) != self.deployment:
                raise NetworkError(
                    f"{vpc_id} has a security group {self.deployment} ({group['GroupId']}) that does not belong to the "
                    "deployment\nFix: choose another `deployment`, or delete or rename that group"
                )
        if found:
            group = found[0]
        else:
            about = f"Notebooks of {self.deployment}, made by dstk"
            request = {"GroupName": self.deployment, "Description": about, "VpcId": vpc_id}
            try:
                group = self._make("security group", self.client.create_security_group, "security-group", **request)
            except ClientError as error:
                there = find_all(self.client, "describe_security_groups", "SecurityGroups", Filters=named)
                if error_code(error) not in DUPLICATES or not there:
                    raise
                group = there[0]
        group_id = str(group.get("GroupId", "sg-planned"))
        there = group.get("IpPermissions", [])
        missing = [rule for rule in rules if not _admits(there, rule)]
        if missing:
            self._change("rules", self._authorize, GroupId=group_id, IpPermissions=missing)
        unwanted = find_unwanted(there, rules)
        if unwanted:
            revoke = self.client.revoke_security_group_ingress
            self._change("rules that are not wanted any more", revoke, GroupId=group_id, IpPermissions=unwanted)
        return group_id

    def _authorize(self, **request: Any) -> None:
        try:
            self.client.authorize_security_group_ingress(**request)
        except ClientError as error:
            if error_code(error) not in DUPLICATES:
                raise

    def ensure_key(self, public_key: str, path: str) -> None:
        """See to the key pair of the deployment's name; it must be this key."""
        pairs = throttled(
            self.client.describe_key_pairs, IncludePublicKey=True, Filters=filters({"key-name": [self.deployment]})
        )
        if not pairs["KeyPairs"]:
            material = {"KeyName": self.deployment, "PublicKeyMaterial": public_key.encode()}
            try:
                self._make("key pair", self.client.import_key_pair, "key-pair", **material)
            except ClientError as error:
                if error_code(error) not in DUPLICATES:
                    raise
            return
        there = pairs["KeyPairs"][0].get("PublicKey", "")
        if public_key and there.split()[:2] != public_key.split()[:2]:
            raise NetworkError(
                f"AWS has a key pair {self.deployment} already, and it is another key than {path}\n"
                "Fix: name the key that made it with `ssh_key`, choose another `deployment`, or delete the key pair in "
                "the EC2 console"
            )

    def _make(
        self, what: str, call: Callable[..., Any], kind: str, *, name: str = "", **request: Any
    ) -> dict[str, Any]:
        labels = tag_list({DEPLOYMENT_TAG: self.deployment, "Name": name or self.deployment})
        tags = [{"ResourceType": kind, "Tags": labels}]
        return self._change(what, call, **request, TagSpecifications=tags) or {}

    def _change(self, what: str, call: Callable[..., Any], **request: Any) -> Any:
        """Make a call that changes something; what was made a moment ago may not be known everywhere in EC2 yet."""
        self.changes.append(what)
        for attempt in range(1, 1 if self.check_mode else VISIBLE_SECONDS + 1):
            try:
                return throttled(call, **request)
            except ClientError as error:
                if not error_code(error).endswith(".NotFound") or attempt == VISIBLE_SECONDS:
                    raise
            time.sleep(1)
        return None


def find_places(cidr: str, zones: Sequence[str]) -> dict[str, str]:
    """Answer the network of a subnet for each zone: its place is that of its letter, whatever other zones there are."""
    network = ipaddress.ip_network(cidr)
    if network.prefixlen + SUBNET_BITS > 28:
        raise NetworkError(f"{cidr} is too small for subnets\nFix: choose /16 to /24 for `vpc_cidr`")
    places = list(network.subnets(prefixlen_diff=SUBNET_BITS))
    return {zone: str(places[ord(zone[-1]) - ord("a")]) for zone in zones}


def find_public_subnets(client: Any, vpc_id: str, zones: Sequence[str]) -> list[dict[str, str]]:
    """Answer id and zone of the subnets of an existing VPC that lead to the internet and lie in one of the zones."""
    here = filters({"vpc-id": [vpc_id]})
    throttled(client.describe_vpcs, VpcIds=[vpc_id])
    main: Mapping[str, Any] = {}
    explicit: dict[str, Mapping[str, Any]] = {}
    for table in find_all(client, "describe_route_tables", "RouteTables", Filters=here):
        for place in table.get("Associations", []):
            if place.get("Main"):
                main = table
            elif place.get("SubnetId"):
                explicit[place["SubnetId"]] = table
    found = [
        {"id": subnet["SubnetId"], "zone": subnet["AvailabilityZone"]}
        for subnet in find_all(client, "describe_subnets", "Subnets", Filters=here)
        if subnet["AvailabilityZone"] in zones and _is_public(explicit.get(subnet["SubnetId"], main))
    ]
    return sorted(found, key=lambda subnet: (subnet["zone"], subnet["id"]))


def find_rules(cidrs: Sequence[str], ports: Mapping[str, int | str]) -> list[dict[str, Any]]:
    """Answer the rules that open each port, or range of ports such as 8888-8927, to each network."""
    rules = []
    for purpose, port in ports.items():
        first, _, last = str(port).partition("-")
        for cidr in cidrs:
            ranges, key = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
            place = {"FromPort": int(first), "ToPort": int(last or first)}
            rules.append({"IpProtocol": "tcp", **place, ranges: [{key: cidr, "Description": purpose}]})
    return rules


def find_unwanted(permissions: Sequence[Mapping[str, Any]], rules: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Answer the rules of dstk's own making whose port is open no longer.

    Those of a port that is still open stay, whoever's address they admit: a second administrator has another one.
    """
    wanted = {(rule["FromPort"], rule["ToPort"]) for rule in rules}
    unwanted = []
    for permission in permissions:
        place = {name: permission.get(name) for name in ("IpProtocol", "FromPort", "ToPort")}
        if place["IpProtocol"] != "tcp" or (place["FromPort"], place["ToPort"]) in wanted:
            continue
        for kind, key in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
            own = [{key: item[key]} for item in permission.get(kind, []) if item.get("Description") in PURPOSES]
            if own:
                unwanted.append({**place, kind: own})
    return unwanted


def _admits(permissions: Sequence[Mapping[str, Any]], rule: Mapping[str, Any]) -> bool:
    kind, key = ("Ipv6Ranges", "CidrIpv6") if "Ipv6Ranges" in rule else ("IpRanges", "CidrIp")
    return any(
        all(permission.get(name) == rule[name] for name in ("IpProtocol", "FromPort", "ToPort"))
        and rule[kind][0][key] in {item[key] for item in permission.get(kind, [])}
        for permission in permissions
    )


def _is_public(table: Mapping[str, Any]) -> bool:
    return any(
        route.get("DestinationCidrBlock") == "0.0.0.0/0" and str(route.get("GatewayId", "")).startswith("igw-")
        for route in table.get("Routes", [])
    )
