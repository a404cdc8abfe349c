from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from dstk_runner.config import load_config
from dstk_runner.errors import ConfigError, RunError
from dstk_runner.hosts import Host, find_host, make_ssh_command


@pytest.fixture
def ec2(home: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with mock_aws():
        yield boto3.client("ec2", "us-west-2")


def launch(ec2: Any, student: str, *, deployment: str = "dstk-ada") -> str:
    tags = [{"Key": "dstk:deployment", "Value": deployment}, {"Key": "dstk:student", "Value": student}]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    options = {"TagSpecifications": [{"ResourceType": "instance", "Tags": tags}]}
    return str(ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, **options)["Instances"][0]["InstanceId"])


def test_the_only_instance_needs_no_name(ec2: Any) -> None:
    instance = launch(ec2, "grace")
    launch(ec2, "ada", deployment="other")
    assert find_host(load_config()).instance_id == instance


def test_several_instances_need_a_name(ec2: Any) -> None:
    launch(ec2, "ada")
    instance = launch(ec2, "grace")
    with pytest.raises(ConfigError, match="one of ada, grace"):
        find_host(load_config())
    assert find_host(load_config(), "grace").instance_id == instance


def test_a_shared_host_is_found_by_any_of_its_students(ec2: Any) -> None:
    instance = launch(ec2, "")
    seats = [{"Key": f"dstk:seat:0{n}", "Value": name} for n, name in enumerate(("ada 0f", "grace 1f"), start=1)]
    ec2.create_tags(Resources=[instance], Tags=seats)
    launch(ec2, "bob")
    assert find_host(load_config(), "grace").instance_id == instance


def test_a_stopped_instance_takes_no_login(ec2: Any) -> None:
    ec2.stop_instances(InstanceIds=[launch(ec2, "ada")])
    with pytest.raises(RunError) as caught:
        find_host(load_config())
    assert caught.value.fix == "dstk start"


def test_an_unknown_name_is_a_wrong_request(ec2: Any) -> None:
    launch(ec2, "ada")
    with pytest.raises(ConfigError, match="nobody here is called bob"):
        find_host(load_config(), "bob")


def test_without_an_instance_the_remedy_is_up(ec2: Any) -> None:
    with pytest.raises(RunError, match="dstk up"):
        find_host(load_config())


def test_ssh_knows_the_host_by_its_id_and_never_forgets_its_key(home: object) -> None:
    host = Host(instance_id="i-1", address="203.0.113.7", state="running", type="t3.large", tags={})
    command = make_ssh_command(load_config(), host, ["uptime"])
    assert command[-2:] == ["ubuntu@203.0.113.7", "uptime"]
    assert "HostKeyAlias=i-1" in command
    assert "StrictHostKeyChecking=yes" in command
    assert f'UserKnownHostsFile="{home}/.local/share/dstk/dstk-ada/known_hosts"' in command


def test_with_ssm_a_session_is_started() -> None:
    host = Host("i-1", "203.0.113.7", "running", "t3.medium", {})
    command = make_ssh_command(load_config({"access": "ssm"}), host, [])
    assert command == ["aws", "ssm", "start-session", "--region", "us-west-2", "--target", "i-1"]


def test_with_ssm_a_command_is_refused() -> None:
    host = Host("i-1", "203.0.113.7", "running", "t3.medium", {})
    with pytest.raises(ConfigError, match="takes no command"):
        make_ssh_command(load_config({"access": "ssm"}), host, ["uptime"])
