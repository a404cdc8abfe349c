from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from support.plugins import Load

FILTER_ERROR: type[Exception] = importlib.import_module("ansible.errors").AnsibleFilterError


@pytest.fixture(scope="module")
def filters(load: Load) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = load("filter/dstk_aws").FilterModule().filters()
    return found


Filters = dict[str, Callable[..., Any]]


def test_auto_is_the_callers_address_alone(filters: Filters) -> None:
    assert filters["dstk_cidrs"](["auto"], "203.0.113.9\n") == ["203.0.113.9/32"]


def test_auto_of_a_caller_with_ipv6_is_that_address_alone(filters: Filters) -> None:
    assert filters["dstk_cidrs"](["auto"], "2001:db8::9") == ["2001:db8::9/128"]


def test_a_network_is_named_once(filters: Filters) -> None:
    assert filters["dstk_cidrs"](["203.0.113.9/32", "auto", "10.0.0.0/8"], "203.0.113.9") == [
        "203.0.113.9/32",
        "10.0.0.0/8",
    ]


@pytest.mark.parametrize(("choices", "caller"), [(["auto"], "<html>"), (["auto"], ""), (["10.0.0.1/8"], "")])
def test_what_is_no_network_is_refused_with_a_remedy(filters: Filters, choices: list[str], caller: str) -> None:
    with pytest.raises(FILTER_ERROR, match=r"Fix: .*allowed_cidrs"):
        filters["dstk_cidrs"](choices, caller)


def test_each_port_is_open_to_each_network(filters: Filters) -> None:
    assert filters["dstk_ingress_rules"](["10.0.0.0/8", "2001:db8::/32"], {"SSH": 22}) == [
        {"proto": "tcp", "ports": ["22"], "cidr_ip": ["10.0.0.0/8"], "rule_desc": "SSH"},
        {"proto": "tcp", "ports": ["22"], "cidr_ipv6": ["2001:db8::/32"], "rule_desc": "SSH"},
    ]


def test_the_network_of_a_zone_does_not_depend_on_the_other_zones(filters: Filters) -> None:
    few = filters["dstk_zone_subnets"](["us-west-2c"], "10.77.0.0/16", [])
    many = filters["dstk_zone_subnets"](["us-west-2a", "us-west-2b", "us-west-2c"], "10.77.0.0/16", [])
    assert few == [{"zone": "us-west-2c", "cidr": "10.77.32.0/20"}]
    assert few[0] in many


def test_a_subnet_that_is_there_keeps_its_network(filters: Filters) -> None:
    there = [{"zone": "us-west-2a", "cidr": "10.77.99.0/24"}]
    assert filters["dstk_zone_subnets"](["us-west-2a"], "10.77.0.0/16", there) == there


def test_a_vpc_that_is_too_small_for_subnets_is_refused(filters: Filters) -> None:
    with pytest.raises(FILTER_ERROR, match=r"Fix: .*vpc_cidr"):
        filters["dstk_zone_subnets"](["us-west-2a"], "10.77.0.0/26", [])


def test_a_subnet_is_public_by_its_own_table_or_else_by_the_main_one(filters: Filters) -> None:
    out = [{"destination_cidr_block": "0.0.0.0/0", "gateway_id": "igw-1"}]
    subnets = [
        {"subnet_id": "subnet-main", "availability_zone": "b"},
        {"subnet_id": "subnet-own", "availability_zone": "a"},
        {"subnet_id": "subnet-nat", "availability_zone": "a"},
        {"subnet_id": "subnet-far", "availability_zone": "z"},
    ]
    nat = [{"destination_cidr_block": "0.0.0.0/0", "nat_gateway_id": "nat-1"}]
    tables = [
        {"associations": [{"main": True}], "routes": out},
        {"associations": [{"main": False, "subnet_id": "subnet-own"}], "routes": out},
        {"associations": [{"main": False, "subnet_id": "subnet-nat"}], "routes": nat},
    ]
    found = filters["dstk_public_subnets"](subnets, tables, ["a", "b"])
    assert found == [{"id": "subnet-own", "zone": "a"}, {"id": "subnet-main", "zone": "b"}]


def test_subnets_that_check_mode_did_not_make_have_a_placeholder(filters: Filters) -> None:
    results = [{"subnet": {"id": "subnet-1"}, "item": {"zone": "a"}}, {"subnet": {}, "item": {"zone": "b"}}]
    assert filters["dstk_made_subnets"](results) == [{"id": "subnet-1", "zone": "a"}, {"id": "planned", "zone": "b"}]


def test_a_public_key_is_the_same_whatever_its_comment(filters: Filters) -> None:
    assert filters["dstk_same_public_key"]("ssh-ed25519 AAAA ada@here", "ssh-ed25519 AAAA csx450\n")
    assert not filters["dstk_same_public_key"]("ssh-ed25519 AAAA", "ssh-ed25519 BBBB")


def test_a_task_that_succeeded_has_lost_no_reply(filters: Filters) -> None:
    assert not filters["dstk_reply_lost"]({"failed": False, "msg": "Connection was closed before"})
    assert filters["dstk_reply_lost"]({"failed": True, "msg": "Connection was closed before"})


def test_a_failure_is_explained_as_text(filters: Filters) -> None:
    assert filters["dstk_aws_error"]({"msg": "it broke\nFix: mend it"}) == "it broke\nFix: mend it"


def test_the_users_key_is_found_in_the_home(
    filters: Filters, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    assert filters["dstk_ssh_key_path"]("auto") == str(home / ".ssh" / "id_ed25519")
