"""`elastic_ip: true`: an address that stays while its host is stopped, and that is nobody's expense after its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.life import make_user
from support.place import DEPLOYMENT, OURS, Place, opened


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox, and a user who may do no more than the policy of `elastic_ip` allows."""
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        policy = make_policy(load_config({"deployment": DEPLOYMENT, "elastic_ip": True}))
        yield replace(found, environment=make_user(found, policy, "eve"))


@pytest.fixture(scope="module")
def hosts(place: Place) -> dict[str, str]:
    """The addresses of two hosts, by instance; AWS's answer to the first allocation was lost."""
    place.inject("AllocateAddress", "reply-lost")
    place.ensure("provision", *asked())
    return find_addresses(place)


def asked(**more: Any) -> tuple[str, str]:
    return "-e", json.dumps({"dstk_students": ["ada", "ben"], "dstk_elastic_ip": True, **more})


def find_addresses(place: Place) -> dict[str, str]:
    return {item["InstanceId"]: item.get("PublicIpAddress", "") for item in place.instances()}


def find_elastic(place: Place) -> dict[str, str]:
    found = place.client.describe_addresses(Filters=OURS)["Addresses"]
    return {item.get("InstanceId", ""): item["PublicIp"] for item in found}


def test_the_addresses_outlast_a_stop_and_what_nothing_uses_is_given_back(place: Place, hosts: dict[str, str]) -> None:
    place.ensure("stop", *asked())
    place.ensure("provision", *asked())
    assert find_addresses(place) == find_elastic(place) == hosts


def test_turned_off_they_are_given_back_and_the_hosts_have_others(place: Place, hosts: dict[str, str]) -> None:
    place.ensure("provision", *asked(dstk_elastic_ip=False))
    after = find_addresses(place)
    assert find_elastic(place) == {}
    assert (set(after), all(after.values())) == (set(hosts), True)
    assert not set(after.values()) & set(hosts.values())


def test_beyond_the_quota_all_have_hosts_with_passing_addresses(place: Place, hosts: dict[str, str]) -> None:
    for _ in range(4):
        place.client.allocate_address(Domain="vpc")
    place.ensure("provision", *asked())
    assert len(find_elastic(place)) == 1
    assert (set(find_addresses(place)), all(find_addresses(place).values())) == (set(hosts), True)


def test_destroy_leaves_only_what_is_somebody_elses(place: Place, hosts: dict[str, str]) -> None:
    place.ensure("destroy")
    assert hosts
    assert (find_elastic(place), len(place.client.describe_addresses()["Addresses"])) == ({}, 4)


def test_all_that_the_policy_allows_for_it_was_asked_for(place: Place, hosts: dict[str, str]) -> None:
    assert hosts
    wanted = load_config({"deployment": DEPLOYMENT, "elastic_ip": True})
    needed = {item.action for item in find_permissions(wanted) if item.needed == "elastic_ip"}
    assert needed <= set(sandbox.find_permissions(place.environment["AWS_ACCESS_KEY_ID"], directory=place.folder))
