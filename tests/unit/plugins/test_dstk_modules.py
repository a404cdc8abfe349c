from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from support.plugins import PLUGINS, Load

MODULES = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))


class Module:
    """What the functions of a module ask of AnsibleAWSModule."""

    def __init__(self, *, check_mode: bool = False, **params: Any) -> None:
        defaults = {"deployment": "csx450", "student": "ada", "tags": {}, "timeout": 20, "instance_type": "t3.micro"}
        self.params = {**defaults, **params}
        self.check_mode = check_mode
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def wanted(aws: Any) -> dict[str, Any]:
    """What a launch in moto needs: its default network and one of its images."""
    subnets = aws.describe_subnets()["Subnets"]
    image = aws.describe_images(Owners=["099720109477"])["Images"][0]
    key = aws.create_key_pair(KeyName="csx450")["KeyName"]
    group = aws.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
    return {
        "image": {"image_id": image["ImageId"], "root_device_name": image["RootDeviceName"]},
        "volume_size": 30,
        "subnets": [{"id": subnet["SubnetId"], "zone": subnet["AvailabilityZone"]} for subnet in subnets],
        "security_group_ids": [group],
        "key_name": key,
    }


def instances(aws: Any) -> list[dict[str, Any]]:
    return [instance for page in aws.describe_instances()["Reservations"] for instance in page["Instances"]]


def test_a_student_without_an_instance_gets_one(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    answer = load("modules/dstk_instance").ensure_running(Module(**wanted), aws)
    assert (answer["changed"], answer["action"], answer["instance"]["state"]) == (True, "launched", "running")
    assert answer["instance"]["address"]


def test_a_launched_instance_keeps_to_what_the_guide_lacked(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    load("modules/dstk_instance").ensure_running(Module(**wanted), aws)
    options = instances(aws)[0]["MetadataOptions"]
    volume = aws.describe_volumes()["Volumes"][0]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    assert (volume["VolumeType"], volume["Encrypted"], volume["Size"]) == ("gp3", True, 30)


def test_an_instance_that_runs_is_kept_whatever_is_wished_for_now(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    ensure = load("modules/dstk_instance").ensure_running
    first = ensure(Module(**wanted), aws)
    second = ensure(Module(**wanted, instance_type="m7i.large"), aws)
    assert (second["changed"], second["instance"]["id"]) == (False, first["instance"]["id"])
    assert second["instance"]["type"] == "t3.micro"


def test_a_stopped_instance_is_started(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    ensure = load("modules/dstk_instance").ensure_running
    first = ensure(Module(**wanted), aws)
    aws.stop_instances(InstanceIds=[first["instance"]["id"]])
    answer = ensure(Module(**wanted), aws)
    assert (answer["action"], answer["instance"]["state"]) == ("started", "running")
    assert len(instances(aws)) == 1


def test_check_mode_launches_nothing_and_says_what_it_would(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    answer = load("modules/dstk_instance").ensure_running(Module(**wanted, check_mode=True), aws)
    assert (answer["changed"], answer["action"], answer["diff"]["before"]) == (True, "launched", {})
    assert instances(aws) == []


def test_of_two_instances_the_older_is_used_and_the_other_named(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    ensure = load("modules/dstk_instance").ensure_running
    first = ensure(Module(**wanted), aws)["instance"]["id"]
    [launched] = [instance["LaunchTime"].timestamp() for instance in instances(aws)]
    while time.time() < launched + 1:  # the API tells launches apart by whole seconds
        time.sleep(0.05)
    spare = ensure(Module(**wanted, student="bob"), aws)["instance"]["id"]
    aws.create_tags(Resources=[spare], Tags=[{"Key": "dstk:student", "Value": "ada"}])
    module = Module(**wanted)
    assert ensure(module, aws)["instance"]["id"] == first
    assert spare in module.warnings[0]


def test_absent_ends_the_deployments_instances_and_no_others(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    module = load("modules/dstk_instance")
    ours = module.ensure_running(Module(**wanted), aws)["instance"]["id"]
    theirs = module.ensure_running(Module(**wanted, deployment="other"), aws)["instance"]["id"]
    answer = module.ensure_absent(Module(), aws)
    assert answer["instance_ids"] == [ours]
    states = {instance["InstanceId"]: instance["State"]["Name"] for instance in instances(aws)}
    assert states == {ours: "terminated", theirs: "running"}


def test_absent_twice_changes_nothing(load: Load, aws: Any, wanted: dict[str, Any]) -> None:
    module = load("modules/dstk_instance")
    module.ensure_running(Module(**wanted), aws)
    module.ensure_absent(Module(), aws)
    assert module.ensure_absent(Module(), aws)["changed"] is False


def test_an_arm_type_is_told_in_both_tongues(load: Load, aws: Any) -> None:
    found = load("modules/dstk_instance_type_info").find_type(aws, "t4g.small")
    assert (found["architecture"], found["ubuntu_architecture"], found["memory_mib"]) == ("arm64", "arm64", 2048)


def test_the_zones_that_offer_a_type_are_found(load: Load, aws: Any) -> None:
    found = load("modules/dstk_instance_type_info").find_zones(aws, "t2.micro")
    assert found
    assert all(zone.startswith("us-west-2") for zone in found)
    assert load("modules/dstk_instance_type_info").find_zones(aws, "x9.huge") == []


def test_the_used_vpc_comes_before_the_one_that_a_lost_answer_left(load: Load, aws: Any) -> None:
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}]
    request = {"CidrBlock": "10.77.0.0/16", "TagSpecifications": [{"ResourceType": "vpc", "Tags": tags}]}
    made = [aws.create_vpc(**request)["Vpc"]["VpcId"] for _ in range(2)]
    used = max(made)
    aws.create_subnet(
        VpcId=used, CidrBlock="10.77.0.0/20", TagSpecifications=[{"ResourceType": "subnet", "Tags": tags}]
    )
    by_tag = [{"Name": "tag:dstk:deployment", "Values": ["csx450"]}]
    found = load("modules/dstk_deployment_info").find_network(aws, by_tag)
    assert [vpc["id"] for vpc in found["vpcs"]] == [used, min(made)]


def test_what_bears_the_name_without_the_tag_is_told_apart(load: Load, aws: Any) -> None:
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}]
    aws.create_key_pair(KeyName="csx450")
    aws.create_key_pair(KeyName="unrelated")
    aws.create_security_group(
        GroupName="csx450", Description="x", TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}]
    )
    found = load("modules/dstk_deployment_info").find_named(aws, "csx450")
    assert [key["name"] for key in found["foreign_key_pairs"]] == ["csx450"]
    assert [group["name"] for group in found["security_groups"]] == ["csx450"]
    assert found["key_pairs"] == found["foreign_security_groups"] == []


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize(("greeting", "obstacle"), [(b"SSH-2.0-x\r\n", ""), (b"HTTP/1.1 400", "it greets with")])
def test_only_the_greeting_of_ssh_is_an_answer(
    load: Load, server: socket.socket, greeting: bytes, obstacle: str
) -> None:
    def greet() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(greeting)

    thread = threading.Thread(target=greet)
    thread.start()
    found = load("modules/dstk_wait_for_ssh").find_obstacle(*server.getsockname())
    thread.join()
    assert found.startswith(obstacle)
    assert bool(found) is bool(obstacle)


def test_a_closed_port_is_an_obstacle(load: Load, server: socket.socket) -> None:
    address = server.getsockname()
    server.close()
    assert "refused" in load("modules/dstk_wait_for_ssh").find_obstacle(*address)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_documents_the_options_that_it_takes(load: Load, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load(f"modules/{name}")
    taken: dict[str, Any] = {}

    class Stop(Exception):  # noqa: N818 - it ends a module early and is no error
        pass

    def record(**arguments: Any) -> None:
        taken.update(arguments["argument_spec"])
        raise Stop

    kind = "AnsibleAWSModule" if hasattr(module, "AnsibleAWSModule") else "AnsibleModule"
    monkeypatch.setattr(module, kind, record)
    with pytest.raises(Stop):
        module.main()
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert {option: facts(spec) for option, spec in taken.items()} == {
        option: facts(text) for option, text in documented.items()
    }


def facts(option: dict[str, Any]) -> tuple[object, ...]:
    return option.get("type"), option.get("required", False), option.get("default"), option.get("choices")
