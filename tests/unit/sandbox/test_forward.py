"""What security groups let in, and the ways around a port that is taken."""

from __future__ import annotations

import pytest

from dstk_runner.sandbox.forward import Exposure, Rule, find_way_around, parse_ways_around

WEB = Rule("tcp", 8000, 8999, "127.0.0.0/8")


@pytest.mark.parametrize(("port", "is_open"), [(7999, False), (8000, True), (8999, True), (9000, False)])
def test_a_rule_opens_its_range_and_no_more(port: int, is_open: bool) -> None:
    assert WEB.admits(port) is is_open


def test_a_source_outside_the_rule_is_not_admitted() -> None:
    assert not WEB.admits(8888, "192.0.2.1")


def test_a_source_inside_the_rule_is_admitted() -> None:
    assert WEB.admits(8888, "127.0.0.1")


def test_an_address_with_host_bits_is_taken_as_its_network() -> None:
    assert Rule("tcp", 22, 22, "127.0.0.9/8").admits(22, "127.0.0.1")


def test_all_traffic_opens_every_port() -> None:
    assert Rule("-1", -1, -1, "0.0.0.0/0").admits(22, "192.0.2.1")


def test_another_protocol_opens_no_tcp_port() -> None:
    assert not Rule("udp", 0, 65535, "0.0.0.0/0").admits(53)


def test_one_rule_of_several_is_enough() -> None:
    exposure = Exposure("172.31.248.1", frozenset({WEB, Rule("tcp", 22, 22, "192.0.2.0/24")}))
    assert exposure.admits(22, "192.0.2.1")


def test_nothing_is_open_without_a_rule() -> None:
    assert not Exposure("172.31.248.1", frozenset()).admits(22)


def test_a_way_around_is_found_again_among_the_rules_of_others() -> None:
    saved = (
        "-P OUTPUT ACCEPT\n"
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n"
        "-A OUTPUT -d 127.77.0.4/32 -p tcp -m tcp --dport 22 -m comment --comment dstk-sandbox -j DNAT"
        " --to-destination 127.77.0.4:40001\n"
    )
    assert [rule[:3] for rule in parse_ways_around(saved)] == [("OUTPUT", "-d", "127.77.0.4/32")]


def test_a_way_around_touches_one_port_of_one_address() -> None:
    rule = find_way_around("127.77.0.4", 22, 40001)
    assert rule[:7] == ("OUTPUT", "--destination", "127.77.0.4/32", "--protocol", "tcp", "--dport", "22")
