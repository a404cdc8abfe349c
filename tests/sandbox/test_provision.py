"""The AWS roles, through their playbooks, on days when AWS or the user does not behave."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from dstk_runner import sandbox
from support.environment import ROOT, clean_environment

REGION = "us-west-2"
DEPLOYMENT = "csx450"
OURS = [{"Name": "tag:dstk:deployment", "Values": [DEPLOYMENT]}]
ONE_OF_EACH = {"instances": 1, "vpcs": 1, "gateways": 1, "tables": 1, "subnets": 3, "groups": 1, "keys": 1}
NOTHING = dict.fromkeys(ONE_OF_EACH, 0)


class Greeter(socketserver.BaseRequestHandler):
    """Answers as the SSH server of an instance does; in this sandbox none is booted."""

    def handle(self) -> None:
        self.request.sendall(b"SSH-2.0-greeter\r\n")


@dataclass(frozen=True)
class Place:
    """A sandbox, and a user who speaks to it with plain Ansible."""

    folder: Path
    environment: dict[str, str]
    ssh_port: int
    client: Any

    def start(self, playbook: str, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["ansible-playbook", f"playbooks/{playbook}.yml", "-e", f"ec2_instance_ssh_port={self.ssh_port}", *more],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, playbook: str, *more: str) -> tuple[int, str]:
        process = self.start(playbook, *more)
        output, _ = process.communicate(timeout=300)
        return process.returncode, output

    def ensure(self, playbook: str, *more: str) -> str:
        code, output = self.run(playbook, *more)
        assert code == 0, output
        return output

    def count(self) -> dict[str, int]:
        """How many of each kind carry the deployment's tag; ended instances do not count."""
        return {
            "instances": len(self.instances()),
            "vpcs": len(self.client.describe_vpcs(Filters=OURS)["Vpcs"]),
            "gateways": len(self.client.describe_internet_gateways(Filters=OURS)["InternetGateways"]),
            "tables": len(self.client.describe_route_tables(Filters=OURS)["RouteTables"]),
            "subnets": len(self.client.describe_subnets(Filters=OURS)["Subnets"]),
            "groups": len(self.client.describe_security_groups(Filters=OURS)["SecurityGroups"]),
            "keys": len(self.client.describe_key_pairs(Filters=OURS)["KeyPairs"]),
        }

    def instances(self) -> list[dict[str, Any]]:
        reservations = self.client.describe_instances(Filters=OURS)["Reservations"]
        found = [instance for reservation in reservations for instance in reservation["Instances"]]
        return [instance for instance in found if instance["State"]["Name"] not in ("shutting-down", "terminated")]

    def end_instances(self) -> None:
        """The network stays, so that the next test need not make it again."""
        ids = [instance["InstanceId"] for instance in self.instances()]
        if ids:
            self.client.terminate_instances(InstanceIds=ids)
            self.client.get_waiter("instance_terminated").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})

    def inject(self, action: str, fault: str, **more: Any) -> None:
        sandbox.inject(action, fault, directory=self.folder, **more)

    def calls(self, action: str) -> int:
        return sandbox.find_calls(directory=self.folder).get(action, 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder, home = tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")
    sandbox.up(mode="api", directory=folder)
    settings = sandbox.environment(directory=folder)
    client = boto3.client(
        "ec2",
        REGION,
        endpoint_url=settings["AWS_ENDPOINT_URL"],
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    environment = clean_environment(home, DSTK_DEPLOYMENT=DEPLOYMENT, **settings)
    # every address of 127.0.0.0/8 is this machine
    with socketserver.ThreadingTCPServer(("0.0.0.0", 0), Greeter) as greeter:  # noqa: S104 - instances have their own
        threading.Thread(target=greeter.serve_forever, daemon=True).start()
        try:
            yield Place(folder, environment, greeter.server_address[1], client)
        finally:
            greeter.shutdown()
            sandbox.down(directory=folder)


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
    "CreateSubnet",
    "CreateRouteTable",
    "CreateSecurityGroup",
    "RunInstances",
)


def test_a_run_that_is_killed_at_every_stage_ends_with_one_of_each(place: Place) -> None:
    place.ensure("destroy")
    for stage in STAGES:
        before = place.calls(stage)
        process = place.start("provision")
        while place.calls(stage) == before:
            assert process.poll() is None, f"the run ended before {stage}: {process.communicate()[0]}"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
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


def test_the_inventory_groups_hosts_by_deployment_state_student_and_zone(network: Place) -> None:
    network.ensure("provision")
    instance = network.instances()[0]
    asked = subprocess.run(
        ["ansible-inventory", "--list"], cwd=ROOT, env=network.environment, capture_output=True, text=True, timeout=60
    )
    told = json.loads(asked.stdout)
    host = instance["InstanceId"]
    for group in ("dstk_hosts", "state_running", "student_ada", "zone_us_west_2a"):
        assert told[group]["hosts"] == [host]
    facts = told["_meta"]["hostvars"][host]
    assert facts["ansible_host"] == {"__ansible_unsafe": instance["PublicIpAddress"]}
    assert "StrictHostKeyChecking=accept-new" in facts["ansible_ssh_common_args"]


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
