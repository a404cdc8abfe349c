"""What is asked of the API happens to containers, and what happens to containers is told by the API."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from dstk_runner import sandbox
from support.aws import Aws
from support.reach import open_port, ssh, until


@pytest.fixture
def instance(aws: Aws, key: Path, folder: Path) -> Iterator[str]:
    """A running instance that SSH reaches, in a group that opens nothing else."""
    name = f"notebooks-{time.monotonic_ns()}"
    aws.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    vpc = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    group = aws.ec2.create_security_group(GroupName=name, Description="notebooks", VpcId=vpc)["GroupId"]
    open_port(aws, group, 22)
    instance = aws.launch(KeyName=name, SecurityGroupIds=[group], InstanceType="t3.micro")
    aws.wait(instance, "running", seconds=60)
    server = sandbox.status(directory=folder)
    yield instance
    # some tests end the server, and with it the instance
    if server == sandbox.status(directory=folder):
        aws.ec2.terminate_instances(InstanceIds=[instance])
        aws.wait(instance, "terminated", seconds=60)


def find_containers(instance: str) -> list[str]:
    client = docker.from_env()
    try:
        return [str(container.name) for container in client.containers.list(all=True, filters={"name": instance})]
    finally:
        client.close()


def is_open(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def test_the_imported_key_opens_the_instance(aws: Aws, instance: str, key: Path) -> None:
    assert ssh(aws, instance, key, "id -un; sudo id -un").split() == ["ubuntu", "root"]


def test_an_instance_is_named_after_its_private_address(aws: Aws, instance: str, key: Path) -> None:
    private = aws.instance(instance)["PrivateIpAddress"].replace(".", "-")
    assert ssh(aws, instance, key, "hostname") == f"ip-{private}"


def test_a_port_is_open_while_its_group_says_so(aws: Aws, instance: str, key: Path) -> None:
    ssh(aws, instance, key, "sudo systemd-run --unit=web python3 -m http.server 8888")
    address = aws.instance(instance)["PublicIpAddress"]
    group = aws.instance(instance)["SecurityGroups"][0]["GroupId"]
    assert not is_open(address, 8888)
    open_port(aws, group, 8888)
    until(lambda: is_open(address, 8888))
    rules = aws.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    web = [rule for rule in rules if rule["FromPort"] == 8888]
    aws.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=web)
    until(lambda: not is_open(address, 8888))


def test_a_file_outlives_a_stop(aws: Aws, instance: str, key: Path) -> None:
    ssh(aws, instance, key, "echo kept > kept")
    aws.ec2.stop_instances(InstanceIds=[instance])
    aws.wait(instance, "stopped", seconds=60)
    aws.ec2.start_instances(InstanceIds=[instance])
    aws.wait(instance, "running", seconds=60)
    assert ssh(aws, instance, key, "cat kept") == "kept"


def test_a_machine_that_powers_off_is_stopped(aws: Aws, instance: str, key: Path) -> None:
    # in a moment: a command that ends its own connection may be told as one that never connected
    ssh(aws, instance, key, "sudo systemd-run --on-active=1 systemctl poweroff")
    aws.wait(instance, "stopped", seconds=60)
    assert aws.instance(instance)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_a_reboot_boots_the_machine_again(aws: Aws, instance: str, key: Path) -> None:
    before = ssh(aws, instance, key, "cat /proc/1/stat | cut -d' ' -f22")
    aws.ec2.reboot_instances(InstanceIds=[instance])
    until(lambda: ssh(aws, instance, key, "cat /proc/1/stat | cut -d' ' -f22") != before, seconds=60)
    assert aws.state(instance) == "running"


def test_a_terminated_instance_leaves_no_container(aws: Aws, instance: str) -> None:
    assert find_containers(instance)
    aws.ec2.terminate_instances(InstanceIds=[instance])
    aws.wait(instance, "terminated", seconds=60)
    assert find_containers(instance) == []


def test_user_data_is_run_at_the_first_boot(aws: Aws, key: Path, instance: str) -> None:
    other = aws.launch(
        KeyName=aws.instance(instance)["KeyName"],
        SecurityGroupIds=[aws.instance(instance)["SecurityGroups"][0]["GroupId"]],
        UserData="#!/bin/sh\necho ran >> /home/ubuntu/ran\n",
        InstanceType="t3.micro",
    )
    aws.wait(other, "running", seconds=60)
    until(lambda: ssh(aws, other, key, "cat ran") == "ran")
    aws.ec2.terminate_instances(InstanceIds=[other])
    aws.wait(other, "terminated", seconds=60)


def test_what_a_killed_server_left_is_removed(aws: Aws, instance: str, folder: Path) -> None:
    state = sandbox.status(directory=folder)
    assert state is not None
    os.kill(state.pid, signal.SIGKILL)
    until(lambda: sandbox.status(directory=folder) is None)
    assert find_containers(instance)
    sandbox.up(mode="hosts", directory=folder)
    until(lambda: find_containers(instance) == [])


def test_down_removes_the_machines(aws: Aws, instance: str, folder: Path) -> None:
    sandbox.down(directory=folder)
    assert find_containers(instance) == []
