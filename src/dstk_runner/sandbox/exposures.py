"""Which ports of which hosts are open to whom: what the security groups say, told to the forwarder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from moto.ec2.models.security_groups import SecurityGroup

from dstk_runner.sandbox.ec2 import find_instances
from dstk_runner.sandbox.forward import Exposure, Rule

#: Calls between two looks at where the hosts are, while the API says nothing new: a restarted one may have moved.
LOOK = 8


class Forwards(Protocol):
    """What makes public addresses lead to hosts."""

    def apply(self, exposures: Mapping[str, Exposure]) -> None:
        """Forward exactly these, by public address."""


def follow_groups(
    lock: AbstractContextManager[object], find_address: Callable[[str], str | None], forwards: Forwards
) -> Callable[[], None]:
    """Return a function that tells the forwarder what has changed since it was last called.

    Args:
        lock: held while the API is read.
        find_address: answers where an instance's host is reached, if it is.
        forwards: the forwarder.
    """
    seen: list[tuple[str, str, frozenset[Rule]]] = []
    told: dict[str, Exposure] | None = None
    calls = 0

    def follow() -> None:
        nonlocal seen, told, calls
        with lock:
            running = [
                (instance.public_ip, instance.id, find_rules(instance.nics[0].group_set))
                for _, instance in find_instances()
                if instance.state == "running" and instance.public_ip
            ]
        calls += 1
        is_settled = running == seen and told is not None and len(told) == len(running)
        if is_settled and calls % LOOK:
            return
        seen = running
        exposures = {
            public: Exposure(target=target, rules=rules)
            for public, instance_id, rules in running
            if (target := find_address(instance_id))
        }
        if exposures != told:
            forwards.apply(exposures)
            told = exposures

    return follow


def find_rules(groups: Iterable[SecurityGroup]) -> frozenset[Rule]:
    """Return what groups let in from addresses; rules that name other groups open nothing from outside."""
    return frozenset(
        Rule(
            protocol=str(rule.ip_protocol),
            from_port=0 if rule.from_port is None else int(rule.from_port),
            to_port=65535 if rule.to_port is None else int(rule.to_port),
            cidr=rule.cidr_ipv4,
        )
        for group in groups
        for rule in group.ingress_rules
        if rule.cidr_ipv4
    )
