from __future__ import annotations

import ipaddress
import itertools

from dstk_runner.sandbox.addresses import AddressPool


def test_addresses_in_use_are_passed_over() -> None:
    pool = AddressPool(lambda: {"127.77.0.1", "127.77.0.2"})
    assert pool.take() == "127.77.0.3"


def test_a_released_address_is_not_the_next_one() -> None:
    pool = AddressPool(set)
    assert pool.take() != pool.take()


def test_no_address_ends_like_a_network_or_a_broadcast() -> None:
    pool = AddressPool(set)
    ends = {ipaddress.ip_address(pool.take()).packed[-1] for _ in range(1000)}
    assert not ends & {0, 255}


def test_the_turn_begins_anew_after_the_last_address() -> None:
    pool = AddressPool(set, block=255)
    last = next(itertools.islice(iter(pool.take, ""), 253, None))
    assert (last, pool.take()) == ("127.77.255.254", "127.77.0.1")


def test_sandboxes_side_by_side_begin_apart() -> None:
    assert AddressPool(set, block=3).take() == "127.77.3.1"
