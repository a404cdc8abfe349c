"""Filters of the AWS roles: what is more than one expression, and is tested, stands here."""

from __future__ import annotations

import dataclasses
import importlib.util
import ipaddress
import os
import sys
from pathlib import Path

from ansible.errors import AnsibleFilterError

_FOLDER = Path(__file__).resolve().parents[1] / "module_utils"


def _load(name: str):
    spec = importlib.util.spec_from_file_location(name, _FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their own module up by name
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


_errors = _load("dstk_aws_errors")
_layers = _load("dstk_layers")
_seats = _load("dstk_seats")

SUBNET_BITS = 4
"""A VPC is cut into 2**4 subnets: a region has at most six zones, and each keeps its place."""


def dstk_aws_error(result: dict) -> str:
    """Say what a failed task's result means, with the last line `Fix: ...` where a remedy is known."""
    return str(_errors.explain(result))


def dstk_reply_lost(result: dict) -> bool:
    """Answer whether a task failed in a way that trying again, which looks first, may mend."""
    return bool(result.get("failed")) and _errors.is_reply_lost(result)


def dstk_ssh_key_path(choice: str) -> str:
    """Answer the path of the private key that `ssh_key` means."""
    return _layers.find_ssh_key(choice, os.environ)


def dstk_cidrs(choices: list[str], caller: str = "") -> list[str]:
    """Answer the networks that may reach the notebooks, with the caller's own address in the place of `auto`."""
    networks = []
    for choice in choices:
        text = caller.strip() if choice == "auto" else choice
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise AnsibleFilterError(_bad_network(choice, text, error)) from error
        if str(network) not in networks:
            networks.append(str(network))
    return networks


def _bad_network(choice: str, text: str, error: ValueError) -> str:
    if choice == "auto":
        return f"the address service answered no address: {text[:80]!r}\nFix: name your network in `allowed_cidrs`"
    return f"{error}\nFix: write `allowed_cidrs` as networks, such as 203.0.113.7/32, or `auto`"


def dstk_seat_ports(first: int, placement: str) -> str:
    """Answer the ports of a host's seats, as a security group's rule wants them: one, or a range from the first on."""
    if placement == _seats.DEDICATED:
        return str(first)
    return f"{first}-{int(first) + _seats.MOST_SEATS - 1}"


def dstk_ingress_rules(cidrs: list[str], ports: dict[str, int | str]) -> list[dict]:
    """Answer rules for ec2_security_group: each port, named by what it is for, from each network."""
    rules = []
    for purpose, port in ports.items():
        for cidr in cidrs:
            kind = "cidr_ipv6" if ":" in cidr else "cidr_ip"
            rules.append({"proto": "tcp", "ports": [str(port)], kind: [cidr], "rule_desc": purpose})
    return rules


def dstk_zone_subnets(zones: list[str], vpc_cidr: str, existing: list[dict]) -> list[dict]:
    """Answer zone and network of a subnet for each zone.

    The place of a zone is that of its letter, so it does not depend on which other zones offer the type; a subnet
    that is there keeps its network.
    """
    network = ipaddress.ip_network(vpc_cidr)
    if network.prefixlen + SUBNET_BITS > 28:
        raise AnsibleFilterError(f"{vpc_cidr} is too small for subnets\nFix: choose /16 to /24 for `vpc_cidr`")
    places = list(network.subnets(prefixlen_diff=SUBNET_BITS))
    kept = {subnet["zone"]: subnet["cidr"] for subnet in existing}
    return [{"zone": zone, "cidr": kept.get(zone) or str(places[ord(zone[-1]) - ord("a")])} for zone in zones]


def dstk_made_subnets(results: list[dict]) -> list[dict]:
    """Answer id and zone of the subnets in the results of a loop over ec2_vpc_subnet; check mode has no id."""
    return [{"id": result["subnet"].get("id", "planned"), "zone": result["item"]["zone"]} for result in results]


def dstk_public_subnets(subnets: list[dict], tables: list[dict], zones: list[str]) -> list[dict]:
    """Answer id and zone of those subnets of an existing VPC that lead to the internet and lie in one of the zones.

    Takes what ec2_vpc_subnet_info and ec2_vpc_route_table_info return.
    """
    main: dict | None = None
    explicit = {}
    for table in tables:
        for association in table.get("associations", []):
            if association.get("main"):
                main = table
            elif association.get("subnet_id"):
                explicit[association["subnet_id"]] = table
    found = [
        {"id": subnet["subnet_id"], "zone": subnet["availability_zone"]}
        for subnet in subnets
        if subnet["availability_zone"] in zones and _is_public(explicit.get(subnet["subnet_id"], main))
    ]
    return sorted(found, key=lambda subnet: (subnet["zone"], subnet["id"]))


def _is_public(table: dict | None) -> bool:
    return any(
        route.get("destination_cidr_block") == "0.0.0.0/0" and str(route.get("gateway_id", "")).startswith("igw-")
        for route in (table or {}).get("routes", [])
    )


def dstk_same_public_key(one: str, other: str) -> bool:
    """Answer whether two lines of OpenSSH are the same key, whatever their comments."""
    return one.split()[:2] == other.split()[:2]


def dstk_seats(tags: dict[str, str]) -> list[dict]:
    """Answer student, seat and identity of each seat that a host's tags name, by number."""
    return [dataclasses.asdict(seat) for seat in _seats.find_seats(tags)]


class FilterModule:
    """The filters, by name."""

    def filters(self) -> dict:
        """Answer the filters."""
        return {
            "dstk_aws_error": dstk_aws_error,
            "dstk_cidrs": dstk_cidrs,
            "dstk_ingress_rules": dstk_ingress_rules,
            "dstk_made_subnets": dstk_made_subnets,
            "dstk_public_subnets": dstk_public_subnets,
            "dstk_reply_lost": dstk_reply_lost,
            "dstk_same_public_key": dstk_same_public_key,
            "dstk_seat_ports": dstk_seat_ports,
            "dstk_seats": dstk_seats,
            "dstk_ssh_key_path": dstk_ssh_key_path,
            "dstk_zone_subnets": dstk_zone_subnets,
        }
