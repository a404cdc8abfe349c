"""What the forwarder is told, as instances come and go and groups change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import pytest

from dstk_runner.sandbox.ec2 import SandboxEC2
from dstk_runner.sandbox.exposures import LOOK, find_rules, follow_groups
from dstk_runner.sandbox.forward import Exposure, Rule
from dstk_runner.sandbox.lifecycle import SandboxInstance

Launch = Callable[..., SandboxInstance]


class Recorder:
    def __init__(self) -> None:
        self.told: list[dict[str, Exposure]] = []

    def apply(self, exposures: Mapping[str, Exposure]) -> None:
        self.told.append(dict(exposures))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def addresses() -> dict[str, str]:
    """Where hosts are, by instance."""
    return {}


@pytest.fixture
def follow(recorder: Recorder, addresses: dict[str, str]) -> Callable[[], None]:
    return follow_groups(threading.RLock(), addresses.get, recorder)


def run(instance: SandboxInstance, addresses: dict[str, str]) -> SandboxInstance:
    instance.settle_running()
    addresses[instance.id] = "172.31.240.2"
    return instance


def open_port(backend: SandboxEC2, instance: SandboxInstance, port: int, cidr: str = "127.0.0.1/32") -> None:
    backend.authorize_security_group_ingress(
        instance.security_groups[0].id, "tcp", str(port), str(port), [{"CidrIp": cidr}]
    )


def test_a_running_instance_is_reached_where_its_group_says(
    backend: SandboxEC2, launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    instance = run(launch(), addresses)
    open_port(backend, instance, 22)
    follow()
    assert recorder.told == [
        {str(instance.public_ip): Exposure("172.31.240.2", frozenset({Rule("tcp", 22, 22, "127.0.0.1/32")}))}
    ]


def test_a_pending_instance_is_not_reached(
    launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    addresses[launch().id] = "172.31.240.2"
    follow()
    assert recorder.told == [{}]


def test_nothing_new_is_not_told(
    launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    run(launch(), addresses)
    for _ in range(3 * LOOK):
        follow()
    assert len(recorder.told) == 1


def test_a_changed_rule_is_told(
    backend: SandboxEC2, launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    instance = run(launch(), addresses)
    follow()
    open_port(backend, instance, 8888)
    follow()
    assert recorder.told[-1][str(instance.public_ip)].rules == {Rule("tcp", 8888, 8888, "127.0.0.1/32")}


def test_a_stopping_instance_is_not_reached(
    launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    instance = run(launch(), addresses)
    follow()
    instance.stop()
    follow()
    assert recorder.told[-1] == {}


def test_a_host_that_moved_is_found_again(
    launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    instance = run(launch(), addresses)
    follow()
    addresses[instance.id] = "172.31.240.9"
    for _ in range(LOOK):
        follow()
    assert recorder.told[-1][str(instance.public_ip)].target == "172.31.240.9"


def test_an_elastic_address_leads_to_its_instance(
    backend: SandboxEC2, launch: Launch, follow: Callable[[], None], recorder: Recorder, addresses: dict[str, str]
) -> None:
    instance = run(launch(), addresses)
    address = backend.allocate_address("vpc", address="127.77.9.9")
    backend.associate_address(instance=instance, allocation_id=address.allocation_id)
    follow()
    assert recorder.told[-1].keys() == {"127.77.9.9"}


def test_every_protocol_is_every_port(backend: SandboxEC2, launch: Launch) -> None:
    group = launch().security_groups[0]
    backend.authorize_security_group_ingress(group.id, "-1", "-1", "-1", [{"CidrIp": "0.0.0.0/0"}])
    assert Rule("-1", 0, 65535, "0.0.0.0/0") in find_rules([group])


def test_a_rule_that_names_a_group_opens_nothing_outside(backend: SandboxEC2, launch: Launch) -> None:
    group = backend.create_security_group("closed", "closed", backend.default_vpc.id)
    backend.authorize_security_group_ingress(
        group.id, "tcp", "22", "22", [], source_groups=[{"GroupId": launch().security_groups[0].id}]
    )
    assert find_rules([group]) == frozenset()
