from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from support.plugins import PLUGINS, Load

#: An action of a module's name takes options of its own, which stand in the module's documentation too.
ACTIONS = {path.stem for path in (PLUGINS / "action").glob("*.py")}
MODULES = sorted({path.stem for path in (PLUGINS / "modules").glob("*.py")} - ACTIONS)


class Module:
    """What the functions of a module ask of AnsibleAWSModule."""

    def __init__(self, *, check_mode: bool = False, **params: Any) -> None:
        known = {"deployment": "csx450", "students": [], "timeout": 20, "delete_data": False, "final_backup": True}
        self.params = {**known, **params}
        self.check_mode = check_mode


def launch(aws: Any, **tags: str) -> str:
    """An instance of moto's that bears tags, by id."""
    labels = [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()]
    image = aws.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
    specification = [{"ResourceType": "instance", "Tags": labels}]
    found = aws.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=specification)
    return str(found["Instances"][0]["InstanceId"])


def states(aws: Any) -> dict[str, str]:
    pages = aws.describe_instances()["Reservations"]
    return {found["InstanceId"]: found["State"]["Name"] for page in pages for found in page["Instances"]}


def test_absent_ends_the_deployments_instances_and_no_others(load: Load, aws: Any) -> None:
    ours, theirs = launch(aws, dstk_deployment="csx450"), launch(aws, dstk_deployment="other")
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    answer = load("modules/dstk_hosts").ensure_absent(Module(), fleet)
    assert answer["instance_ids"] == [ours]
    assert states(aws) == {ours: "terminated", theirs: "running"}


def test_absent_twice_changes_nothing(load: Load, aws: Any) -> None:
    launch(aws, dstk_deployment="csx450")
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    load("modules/dstk_hosts").ensure_absent(Module(), fleet)
    assert load("modules/dstk_hosts").ensure_absent(Module(), fleet)["changed"] is False


def test_a_volume_that_an_instance_left_behind_goes_with_absent(load: Load, aws: Any) -> None:
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}]
    volume = aws.create_volume(
        AvailabilityZone="us-west-2a", Size=8, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )["VolumeId"]
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    answer = load("modules/dstk_hosts").ensure_absent(Module(), fleet)
    assert (answer["changed"], answer["volume_ids"]) == (True, [volume])


def make_homes(aws: Any) -> str:
    """A volume with a student's home, whose host is gone."""
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}, {"Key": "dstk:homes", "Value": "ada"}]
    labels = [{"ResourceType": "volume", "Tags": tags}]
    return str(aws.create_volume(AvailabilityZone="us-west-2a", Size=10, TagSpecifications=labels)["VolumeId"])


def test_a_volume_with_homes_stays_and_is_told(load: Load, aws: Any) -> None:
    hosts, volume = load("modules/dstk_hosts"), make_homes(aws)
    answer = hosts.ensure_absent(Module(), hosts.Fleet(aws, "csx450"))
    assert (answer["changed"], answer["volume_ids"]) == (False, [])
    assert [(row["id"], row["size"], row["homes"]) for row in answer["kept_volumes"]] == [(volume, 10, "ada")]


def test_data_is_deleted_after_a_last_snapshot_that_says_when_it_expires(load: Load, aws: Any) -> None:
    hosts, volume = load("modules/dstk_hosts"), make_homes(aws)
    answer = hosts.ensure_absent(Module(delete_data=True), hosts.Fleet(aws, "csx450"))
    assert (answer["volume_ids"], answer["kept_volumes"]) == ([volume], [])
    [taken] = aws.describe_snapshots(SnapshotIds=[row["id"] for row in answer["snapshots"]])["Snapshots"]
    tags = {tag["Key"]: tag["Value"] for tag in taken["Tags"]}
    assert (tags["dstk:kind"], tags["dstk:homes"]) == ("final", "ada")
    assert tags["dstk:expires"] == answer["snapshots"][0]["expires"]


def test_no_snapshot_is_taken_where_none_is_wanted(load: Load, aws: Any) -> None:
    hosts, volume = load("modules/dstk_hosts"), make_homes(aws)
    answer = hosts.ensure_absent(Module(delete_data=True, final_backup=False), hosts.Fleet(aws, "csx450"))
    assert (answer["volume_ids"], answer["snapshots"]) == ([volume], [])


def test_hundreds_are_ended_in_portions_that_aws_takes(load: Load, aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"i-{number}" for number in range(250)]
    sizes: list[int] = []
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    live = [{"InstanceId": key, "State": {"Name": "running"}} for key in ids]
    monkeypatch.setattr(fleet, "find", lambda _: live if not sizes else [])
    monkeypatch.setattr(aws, "terminate_instances", lambda **request: sizes.append(len(request["InstanceIds"])))
    fleet.end(timeout=5)
    assert sizes == [100, 100, 50]


def test_released_ends_the_instances_on_which_nobody_sits_then(load: Load, aws: Any) -> None:
    here = {"dstk_deployment": "csx450"}
    empty, spare = launch(aws, **here, dstk_student="ada"), launch(aws, **here)
    used = launch(aws, **here, **{"dstk_seat_01": "ada a", "dstk_seat_02": "bob b"})
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    answer = load("modules/dstk_hosts").ensure_released(Module(students=["ada"]), fleet)
    assert sorted(answer["instance_ids"]) == sorted([empty, spare])
    assert states(aws) == {empty: "terminated", spare: "terminated", used: "running"}


def test_released_frees_the_seat_and_leaves_the_others(load: Load, aws: Any) -> None:
    launch(aws, dstk_deployment="csx450", **{"dstk_seat_01": "ada a", "dstk_seat_02": "bob b"})
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    load("modules/dstk_hosts").ensure_released(Module(students=["ada"]), fleet)
    tags = aws.describe_instances()["Reservations"][0]["Instances"][0]["Tags"]
    assert sorted(tag["Key"] for tag in tags) == ["dstk:deployment", "dstk:seat:02"]


def test_stopped_stops_all_where_nobody_is_named(load: Load, aws: Any) -> None:
    ours, theirs = launch(aws, dstk_deployment="csx450"), launch(aws, dstk_deployment="other")
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    stop = load("modules/dstk_hosts").ensure_stopped
    assert stop(Module(), fleet)["instance_ids"] == [ours]
    assert states(aws) == {ours: "stopped", theirs: "running"}
    assert stop(Module(), fleet)["changed"] is False


def test_stopped_leaves_an_instance_on_which_others_sit(load: Load, aws: Any) -> None:
    here = {"dstk_deployment": "csx450"}
    own = launch(aws, **here, **{"dstk_seat_01": "ada a"})
    shared = launch(aws, **here, **{"dstk_seat_01": "bob b", "dstk_seat_02": "cleo c"})
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    answer = load("modules/dstk_hosts").ensure_stopped(Module(students=["ada", "bob"]), fleet)
    assert states(aws) == {own: "stopped", shared: "running"}
    [failure] = answer["failures"]
    assert (failure["student"], f"{shared} is also cleo's" in failure["message"]) == ("bob", True)


def test_stopped_only_tells_in_check_mode(load: Load, aws: Any) -> None:
    ours = launch(aws, dstk_deployment="csx450")
    fleet = load("module_utils/dstk_fleet").Fleet(aws, "csx450")
    answer = load("modules/dstk_hosts").ensure_stopped(Module(check_mode=True), fleet)
    assert (answer["instance_ids"], states(aws)) == ([ours], {ours: "running"})


def test_an_instance_that_does_not_stop_is_named_with_a_remedy(
    load: Load, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleets = load("module_utils/dstk_fleet")
    ours = launch(aws, dstk_deployment="csx450")
    monkeypatch.setattr(aws, "stop_instances", lambda **_: None)
    with pytest.raises(fleets.LingerError, match=rf"{ours}\nFix: "):
        fleets.Fleet(aws, "csx450").stop([ours], timeout=0)


def test_an_arm_type_is_told_in_both_tongues(load: Load, aws: Any) -> None:
    found = load("module_utils/dstk_types").find_types(aws, ["t4g.small"])["t4g.small"]
    assert (found["architecture"], found["ubuntu_architecture"], found["memory_mib"]) == ("arm64", "arm64", 2048)


def test_the_zones_that_offer_a_type_are_found(load: Load, aws: Any) -> None:
    found = load("module_utils/dstk_types").find_types(aws, ["t2.micro"])["t2.micro"]["zones"]
    assert found
    assert all(zone.startswith("us-west-2") for zone in found)


def test_a_type_that_nobody_knows_does_not_hide_the_others(load: Load, aws: Any) -> None:
    assert list(load("module_utils/dstk_types").find_types(aws, ["x9.huge", "t2.micro"])) == ["t2.micro"]


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


def test_a_host_that_does_not_answer_is_told_apart_from_those_that_do(load: Load, server: socket.socket) -> None:
    def greet() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"SSH-2.0-x\r\n")

    host, port = server.getsockname()
    thread = threading.Thread(target=greet)
    thread.start()
    # nothing listens at the port on the other address, for the server has bound one alone
    found = load("modules/dstk_wait_for_ssh").find_obstacles({"i-1": host, "i-2": "127.0.0.2"}, port, 0)
    thread.join()
    assert list(found) == ["i-2"]


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
