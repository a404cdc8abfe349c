"""A host that was launched and never set up stops by itself, by the user data that the role ec2_instance gives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from support.aws import Aws
from support.environment import ROOT
from support.reach import open_port, ssh, until

TEMPLATE = ROOT / "roles" / "ec2_instance" / "templates" / "user-data.sh.j2"
#: Seconds that a host has here, in place of two hours.
TIMEOUT = 3
#: What the role idle_stop leaves, first and last.
SET_UP = ("/etc/dstk/idle.json", "/etc/systemd/system/timers.target.wants/dstk-idle.timer")


@pytest.fixture(scope="module")
def user_data() -> str:
    template = jinja2.Template(TEMPLATE.read_text(encoding="utf-8"), keep_trailing_newline=True)
    return str(template.render(ansible_managed="Ansible managed", ec2_instance_setup_timeout=TIMEOUT))


@pytest.fixture
def name(aws: Aws, key: Path) -> Iterator[str]:
    """The name of a key pair and of a group that opens SSH."""
    name = f"forgotten-{time.monotonic_ns()}"
    aws.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=key.with_suffix(".pub").read_bytes())
    vpc = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    aws.ec2.create_security_group(GroupName=name, Description="forgotten", VpcId=vpc)
    open_port(aws, find_group(aws, name), 22)
    yield name
    filters = [{"Name": "key-name", "Values": [name]}]
    found = aws.ec2.describe_instances(Filters=filters)["Reservations"]  # type: ignore[arg-type]
    for instance in [item["InstanceId"] for row in found for item in row["Instances"]]:
        aws.ec2.terminate_instances(InstanceIds=[instance])
        aws.wait(instance, "terminated", seconds=60)


def find_group(aws: Aws, name: str) -> str:
    filters = [{"Name": "group-name", "Values": [name]}]
    return aws.ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]["GroupId"]  # type: ignore[arg-type]


def launch(aws: Aws, name: str, user_data: str) -> str:
    group = find_group(aws, name)
    return aws.launch(KeyName=name, SecurityGroupIds=[group], InstanceType="t3.micro", UserData=user_data)


def test_a_host_that_nobody_sets_up_stops_at_each_start(aws: Aws, name: str, user_data: str) -> None:
    instance = launch(aws, name, user_data)
    aws.wait(instance, "stopped", seconds=90)
    assert aws.instance(instance)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    aws.ec2.start_instances(InstanceIds=[instance])
    aws.wait(instance, "running", seconds=60)
    aws.wait(instance, "stopped", seconds=90)
    assert aws.instance(instance)["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def launch_set_up(aws: Aws, name: str, user_data: str, *files: str) -> str:
    """A host on which these files were written before its time comes."""
    first, rest = user_data.split("\n", 1)
    written = "\n".join(f'mkdir -p "$(dirname {file})"; touch {file}' for file in files)
    return launch(aws, name, f"{first}\n{written}\n{rest}")


def test_a_host_that_was_set_up_half_stops(aws: Aws, name: str, user_data: str) -> None:
    instance = launch_set_up(aws, name, user_data, SET_UP[0])
    aws.wait(instance, "stopped", seconds=90)


def test_a_host_that_was_set_up_goes_on(aws: Aws, name: str, key: Path, user_data: str) -> None:
    instance = launch_set_up(aws, name, user_data, *SET_UP)
    aws.wait(instance, "running", seconds=60)
    asked = "systemctl show --property ConditionTimestamp,ConditionResult --value dstk-forgotten.service"
    # when its time came, and what was found
    until(lambda: len(ssh(aws, instance, key, asked).split()) > 1, seconds=60)
    assert "no" in ssh(aws, instance, key, asked).split()
    assert aws.state(instance) == "running"
