"""Which ports the kernel's tables say others can reach."""

from __future__ import annotations

import os
import socket

from dstk_runner.sandbox.listeners import find_ports, parse_ports

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue\n"


def row(address: str, state: str = "0A") -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000\n"


def test_a_listener_on_every_address_is_reached() -> None:
    assert parse_ports(HEADER + row("00000000:0016")) == {22}


def test_a_listener_on_one_address_is_reached() -> None:
    assert parse_ports(HEADER + row("0100F8AC:22B8")) == {8888}


def test_a_listener_on_loopback_is_not_reached() -> None:
    assert parse_ports(HEADER + row("0100007F:0016")) == set()


def test_a_connection_is_no_listener() -> None:
    assert parse_ports(HEADER + row("0100F8AC:0016", state="01")) == set()


def test_a_listener_on_every_address_of_version_6_is_reached() -> None:
    assert parse_ports(HEADER + row("00000000000000000000000000000000:22B8")) == {8888}


def test_loopback_of_version_6_is_not_reached() -> None:
    assert parse_ports(HEADER + row("00000000000000000000000001000000:22B8")) == set()


def test_loopback_in_a_mapped_address_is_not_reached() -> None:
    assert parse_ports(HEADER + row("0000000000000000FFFF00000100007F:22B8")) == set()


def test_a_port_of_this_process_is_found() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104 - the case to be found
        assert server.getsockname()[1] in find_ports(os.getpid())


def test_a_process_that_has_ended_listens_nowhere() -> None:
    assert find_ports(2**22 + 1) == frozenset()
