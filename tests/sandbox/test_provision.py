"""The AWS roles, through their playbooks, on days when AWS or the user does not behave."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dstk_runner import sandbox
from support.environment import ROOT
from support.place import DEPLOYMENT, OURS, REGION, Place, opened

ONE_OF_EACH = {"instances": 1, "vpcs": 1, "gateways": 1, "tables": 1, "subnets": 3, "groups": 1, "keys": 1}
NOTHING = dict.fromkeys(ONE_OF_EACH, 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def network(place: Place) -> Iterator[Place]:
    """A deployment whose network is there and whose instance is not."""
    if place.count()["groups"] == 0:
        place.ensure("provision")
    place.end_instances()
    yield place
    sandbox.clear_faults(directory=place.folder)


STAGES = (
    "ImportKeyPair",
    "CreateVpc",
    "CreateInternetGateway",
    "AttachInternetGateway",
    "CreateSubnet",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "RunInstances",
)


def test_a_run_that_is_killed_at_every_stage_ends_with_one_of_each(place: Place) -> None:
    place.ensure("destroy")
    for stage in STAGES:
        # the run waits here, so that it is killed with all made that comes before, and nothing that comes after
        place.inject(stage, "throttle", count=None)
        before = place.calls(stage)
        process = place.start("provision")
        while place.calls(stage) == before:
            assert process.poll() is None, f"the run ended before {stage}: {process.communicate()[0]}"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        sandbox.clear_faults(directory=place.folder)
    place.ensure("provision")
    assert place.count() == ONE_OF_EACH


def test_a_second_run_changes_nothing(network: Place) -> None:
    network.ensure("provision")
    assert "changed=0 " in network.ensure("provision")


def test_a_lost_answer_to_the_launch_makes_no_second_instance(network: Place) -> None:
    network.inject("RunInstances", "reply-lost")
    network.ensure("provision")
    assert network.count() == ONE_OF_EACH


def test_a_run_that_never_got_an_answer_is_finished_by_the_next(network: Place) -> None:
    network.inject("RunInstances", "reply-lost", count=None)
    code, output = network.run("provision")
    sandbox.clear_faults(directory=network.folder)
    assert code != 0
    assert "Fix: run the same command again; nothing is made twice" in output
    network.ensure("provision")
    assert network.count() == ONE_OF_EACH


def test_throttling_is_waited_out(network: Place) -> None:
    network.inject("RunInstances", "throttle", count=4)
    network.ensure("provision")
    assert network.count() == ONE_OF_EACH


def test_a_zone_without_capacity_gives_way_to_another(network: Place) -> None:
    network.inject("RunInstances", "no-capacity", zone=f"{REGION}a", count=None)
    network.ensure("provision")
    assert [found["Placement"]["AvailabilityZone"] for found in network.instances()] == [f"{REGION}b"]


def test_a_stopped_instance_is_started_and_stays_the_same(network: Place) -> None:
    network.ensure("provision")
    before = network.instances()[0]["InstanceId"]
    network.client.stop_instances(InstanceIds=[before])
    network.ensure("provision")
    assert [(found["InstanceId"], found["State"]["Name"]) for found in network.instances()] == [(before, "running")]


def test_a_refused_launch_names_the_remedy(network: Place) -> None:
    network.inject("RunInstances", "unauthorized")
    code, output = network.run("provision")
    assert code != 0
    assert "Fix: let the account's administrator" in output


@pytest.mark.parametrize(
    ("setting", "fix"),
    [
        ("dstk_instance_type=x9.huge", "Fix: choose another `instance_type`"),
        ("dstk_vpc_id=vpc-0123456789abcdef0", "Fix: correct `vpc_id`"),
        ("dstk_ssh_key=/nowhere/key", "Fix: correct `ssh_key`"),
        ("dstk_deployment=Csx_450", "Fix: set `deployment`"),
    ],
)
def test_a_mistaken_setting_is_told_with_its_remedy_and_makes_nothing(place: Place, setting: str, fix: str) -> None:
    before = place.count()
    code, output = place.run("provision", "-e", setting)
    assert code != 0
    assert fix in output
    assert place.count() == before


def test_another_key_under_the_deployments_name_is_not_replaced(network: Place, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    before = network.client.describe_key_pairs(Filters=OURS)["KeyPairs"]
    code, output = network.run("provision", "-e", f"dstk_ssh_key={tmp_path / 'key'}")
    assert code != 0
    assert "Fix: name the key that made it" in output
    assert network.client.describe_key_pairs(Filters=OURS)["KeyPairs"] == before


def test_a_key_of_a_kind_that_aws_does_not_take_is_refused(network: Place, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "key")], check=True)
    code, output = network.run("provision", "-e", f"dstk_ssh_key={tmp_path / 'key'}")
    assert code != 0
    assert "Fix: name an ed25519 or RSA key" in output


def test_the_inventory_groups_hosts_by_deployment_state_student_placement_and_zone(network: Place) -> None:
    network.ensure("provision")
    instance = network.instances()[0]
    asked = subprocess.run(
        ["ansible-inventory", "--list"], cwd=ROOT, env=network.environment, capture_output=True, text=True, timeout=60
    )
    told = json.loads(asked.stdout)
    host = instance["InstanceId"]
    for group in ("dstk_hosts", "state_running", "student_ada", "placement_dedicated", "zone_us_west_2a"):
        assert told[group]["hosts"] == [host]
    facts = told["_meta"]["hostvars"][host]
    assert facts["ansible_host"] == {"__ansible_unsafe": instance["PublicIpAddress"]}
    assert "StrictHostKeyChecking=yes" in facts["ansible_ssh_common_args"]


def test_without_credentials_the_remedy_is_named(place: Place) -> None:
    secrets = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = {name: value for name, value in place.environment.items() if name not in secrets}
    stranger = replace(place, environment=environment)
    code, output = stranger.run("provision")
    assert code != 0
    assert "Fix: run `aws configure`" in output


def test_destroy_leaves_nothing_and_may_be_repeated(place: Place) -> None:
    place.ensure("provision")
    place.client.delete_key_pair(KeyName=DEPLOYMENT)
    place.ensure("destroy")
    assert place.count() == NOTHING
    assert "changed=0 " in place.ensure("destroy")


def test_a_plan_makes_nothing(place: Place) -> None:
    assert place.count() == NOTHING
    output = place.ensure("plan")
    assert place.count() == NOTHING
    assert "Every student has a seat on an instance: ada" in output
