"""How the machines' network is fitted to the machine's own."""

from __future__ import annotations

from dstk_runner.sandbox.network import parse_default_interface, parse_nameservers

ROUTES = """Iface\tDestination\tGateway\tFlags
docker0\t000011AC\t00000000\t0001
wlan0\t00000000\t0102A8C0\t0003
"""


def test_the_uplink_is_where_the_default_route_leads() -> None:
    assert parse_default_interface(ROUTES) == "wlan0"


def test_a_machine_without_a_default_route_has_no_uplink() -> None:
    assert parse_default_interface("Iface\tDestination\tGateway\nlo\t0000007F\t00000000\n") is None


def test_a_name_server_on_loopback_is_of_no_use_to_others() -> None:
    text = "# a comment\nsearch example.org\nnameserver 127.0.0.53\nnameserver 10.0.0.2\nnameserver ::1\n"
    assert parse_nameservers(text) == ("10.0.0.2",)


def test_a_name_server_may_have_a_zone() -> None:
    assert parse_nameservers("nameserver fe80::1%eth0\n") == ("fe80::1%eth0",)
