"""A machine asks its metadata service; a container on it gets no token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dstk_runner.sandbox.host import HostSpec
from dstk_runner.sandbox.hosts import HostDriver
from support.machine import Machine, until

SERVICE = "http://169.254.169.254/latest"
TOKEN = f"curl -sf -m 3 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {SERVICE}/api/token"
NOTICE = {"action": "stop", "time": "2026-11-26T04:00:00Z"}
#: What stands between a machine and a container on it: a bridge, and a firewall that lets everything through.
CONTAINER = """
set -e
sudo ip netns add inside
sudo ip link add outside type veth peer name eth0 netns inside
sudo ip addr add 172.30.0.1/24 dev outside
sudo ip link set outside up
sudo ip -n inside addr add 172.30.0.2/24 dev eth0
sudo ip -n inside link set eth0 up
sudo ip -n inside route add default via 172.30.0.1
sudo sysctl -qw net.ipv4.ip_forward=1
"""


@pytest.fixture(scope="module")
def told(driver: HostDriver, machine: Machine, key: Path) -> Machine:
    """The machine, started with something to tell."""
    driver.stop(machine.instance_id)
    metadata = {"instance-id": machine.instance_id, "instance-life-cycle": "spot"}
    public_key = key.with_suffix(".pub").read_text(encoding="utf-8")
    driver.ensure(HostSpec(machine.instance_id, (public_key,), "ip-10-0-0-5", metadata=metadata))
    machine.boot()
    until(lambda: machine.ssh(TOKEN, check=False).returncode == 0, what="the metadata service")
    return machine


def ask(machine: Machine, path: str) -> tuple[int, str]:
    """The status and the text of an answer, asked for with a token."""
    get = f"curl -s -m 5 -w '\\n%{{http_code}}' -H \"X-aws-ec2-metadata-token: $({TOKEN})\" {SERVICE}/meta-data/{path}"
    *lines, status = machine.ssh(get).stdout.splitlines()
    return int(status), "\n".join(lines).strip()


def test_a_machine_is_told_who_it_is(told: Machine) -> None:
    assert ask(told, "instance-id") == (200, told.instance_id)
    assert ask(told, "instance-life-cycle") == (200, "spot")


def test_nothing_is_told_without_a_token(told: Machine) -> None:
    asked = told.ssh(f"curl -s -m 3 -o /dev/null -w '%{{http_code}}' {SERVICE}/meta-data/instance-id").stdout
    assert asked == "401"


def test_a_notice_is_there_from_one_moment_to_the_other(driver: HostDriver, told: Machine) -> None:
    assert ask(told, "spot/instance-action")[0] == 404
    driver.ensure_notice(told.instance_id, NOTICE)
    status, text = ask(told, "spot/instance-action")
    assert (status, json.loads(text)) == (200, NOTICE)
    driver.ensure_notice(told.instance_id, None)
    assert ask(told, "spot/instance-action")[0] == 404
    assert ask(told, "instance-id") == (200, told.instance_id)


def test_a_notice_ends_with_the_next_start(driver: HostDriver, told: Machine) -> None:
    driver.ensure_notice(told.instance_id, NOTICE)
    driver.stop(told.instance_id)
    told.boot()
    until(lambda: told.ssh(TOKEN, check=False).returncode == 0, what="the metadata service")
    assert ask(told, "spot/instance-action")[0] == 404


def test_a_token_does_not_reach_a_container(told: Machine) -> None:
    told.ssh(CONTAINER)
    inside = "sudo ip netns exec inside"
    reached = told.ssh(f"{inside} curl -s -m 3 -o /dev/null -w '%{{http_code}}' {SERVICE}/meta-data/instance-id").stdout
    assert reached == "401"
    assert told.ssh(f"{inside} {TOKEN}", check=False).returncode == 28
    assert told.ssh(TOKEN).stdout
