"""A machine boots, ends and goes as an instance does."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from dstk_runner.sandbox.host import HostSpec
from dstk_runner.sandbox.hosts import HostDriver
from support.machine import Machine, until


@pytest.fixture
def other(driver: HostDriver, key: Path) -> Iterator[Machine]:
    """A second machine, not booted yet."""
    machine = Machine(driver, f"i-{uuid.uuid4().hex[:17]}", key)
    yield machine
    driver.remove(machine.instance_id)


def find_volumes(instance_id: str) -> list[str]:
    client = docker.from_env()
    try:
        return [str(volume.name) for volume in client.volumes.list(filters={"name": instance_id})]
    finally:
        client.close()


def test_every_unit_comes_up(machine: Machine) -> None:
    until(lambda: machine.ssh("systemctl is-system-running", check=False).stdout.strip() == "running")


def test_root_has_no_password_and_no_login(machine: Machine) -> None:
    assert machine.ssh("sudo passwd --status root").stdout.split()[1] == "L"


def test_two_machines_have_nothing_of_their_own_in_common(machine: Machine, other: Machine) -> None:
    other.boot()
    read = "cat /etc/machine-id /etc/ssh/ssh_host_*_key.pub | cut -d' ' -f2 | sort"
    assert not set(machine.ssh(read).stdout.split()) & set(other.ssh(read).stdout.split())


def test_the_image_carries_no_host_key(machine: Machine) -> None:
    client = docker.from_env()
    try:
        image = client.containers.get(f"dstk-{machine.instance_id}").attrs["Image"]
        found = client.containers.run(image, ["find", "/etc/ssh", "-name", "ssh_host_*"], remove=True)
    finally:
        client.close()
    assert found == b""


def test_a_machine_that_was_never_made_is_absent(driver: HostDriver) -> None:
    assert driver.state("i-0") == "absent"


def test_making_a_running_machine_again_changes_nothing(machine: Machine) -> None:
    before = machine.ssh("cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat").stdout
    machine.boot()
    assert machine.ssh("cat /proc/sys/kernel/random/boot_id; cut -d' ' -f22 /proc/1/stat").stdout == before


def test_user_data_runs_once(driver: HostDriver, other: Machine, key: Path) -> None:
    public_key = key.with_suffix(".pub").read_text(encoding="utf-8")
    script = "#!/bin/sh\necho ran >>/home/ubuntu/ran\n"
    driver.ensure(HostSpec(other.instance_id, (public_key,), "ip-10-0-0-6", user_data=script))
    other.boot()
    until(lambda: other.ssh("cat ran", check=False).stdout == "ran\n")
    driver.stop(other.instance_id)
    other.boot()
    until(lambda: other.ssh("systemctl is-system-running", check=False).stdout.strip() == "running")
    assert other.ssh("cat ran").stdout == "ran\n"


def test_what_was_written_outlives_a_stop(driver: HostDriver, machine: Machine) -> None:
    machine.ssh("echo kept >kept")
    driver.stop(machine.instance_id)
    assert driver.state(machine.instance_id) == "exited"
    machine.boot()
    assert machine.ssh("cat kept").stdout == "kept\n"


def test_a_machine_that_powers_off_has_exited(driver: HostDriver, machine: Machine) -> None:
    machine.ssh("sudo poweroff", check=False)
    until(lambda: driver.state(machine.instance_id) == "exited")
    machine.boot()


def test_a_machine_that_reboots_is_rebooting(driver: HostDriver, machine: Machine) -> None:
    machine.ssh("sudo reboot", check=False)
    until(lambda: driver.state(machine.instance_id) == "rebooting")
    machine.boot()


def test_removal_leaves_no_volume(driver: HostDriver, other: Machine) -> None:
    other.boot()
    assert find_volumes(other.instance_id)
    driver.remove(other.instance_id)
    assert find_volumes(other.instance_id) == []


def test_removal_of_what_is_not_there_is_fine(driver: HostDriver) -> None:
    driver.remove("i-0")
    assert driver.state("i-0") == "absent"


def test_another_sandbox_s_machines_are_not_seen(machine: Machine, tmp_path: Path) -> None:
    other = HostDriver(tmp_path)
    try:
        assert other.instance_ids() == set()
    finally:
        other.close()


def test_a_machine_begins_with_what_another_s_image_holds(driver: HostDriver, machine: Machine, other: Machine) -> None:
    machine.ssh("echo kept >kept && sudo mkdir -p /var/lib/docker/overlay2/1/diff && sudo chmod 711 /var/lib/docker")
    machine.ssh("echo layer | sudo tee /var/lib/docker/overlay2/1/diff/file; echo 1 | sudo tee /var/lib/docker/record")
    driver.remove(other.instance_id)
    driver.stop(machine.instance_id)
    driver.bake(machine.instance_id, "ami-1")
    try:
        assert driver.image_ids() == {"ami-1"}
        other.boot(image="ami-1")
        other.ssh("echo 2 | sudo tee -a /var/lib/docker/record")
        read = "cat kept && sudo cat /var/lib/docker/overlay2/1/diff/file /var/lib/docker/record"
        assert other.ssh(read).stdout == "kept\nlayer\n1\n2\n"
        driver.remove(other.instance_id)
    finally:
        driver.remove_image("ami-1")
        machine.boot()
    assert machine.ssh("sudo cat /var/lib/docker/record").stdout == "1\n"
    assert driver.image_ids() == set()
