from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load

SUBNETS = [{"id": "subnet-a", "zone": "a"}, {"id": "subnet-b", "zone": "b"}]
PARAMETERS = {"ImageId": "ami-1", "NetworkInterfaces": [{"DeviceIndex": 0}]}


class Ec2:
    """An EC2 that keeps its word about client tokens, as moto does not."""

    def __init__(self) -> None:
        self.launched: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.refusals: list[str] = []
        self.visible = True
        self._numbers = itertools.count(1)

    def run_instances(self, *, ClientToken: str, **request: Any) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if self.refusals:
            code = self.refusals.pop(0)
            raise ClientError({"Error": {"Code": code, "Message": code}}, "RunInstances")
        if self.requests.setdefault(ClientToken, request) != request:
            raise ClientError({"Error": {"Code": "IdempotentParameterMismatch"}}, "RunInstances")
        if ClientToken not in self.launched:
            number = next(self._numbers)
            self.launched[ClientToken] = {
                "InstanceId": f"i-{number}",
                "State": {"Name": "pending"},
                "LaunchTime": number,
                "SubnetId": request["NetworkInterfaces"][0]["SubnetId"],
                "Tags": [],
            }
        return {"Instances": [self.launched[ClientToken]]}

    def get_paginator(self, operation: str) -> Ec2:
        assert operation == "describe_instances"
        return self

    def paginate(self, *, Filters: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
        wanted = {f["Name"]: f["Values"] for f in Filters}
        found = [
            instance
            for token, instance in self.launched.items()
            if self.visible
            and token in wanted.get("client-token", [token])
            and instance["InstanceId"] in wanted.get("instance-id", [instance["InstanceId"]])
        ]
        return [{"Reservations": [{"Instances": found}]}]

    def end(self, state: str = "terminated") -> None:
        for instance in self.launched.values():
            instance["State"]["Name"] = state


@pytest.fixture(scope="module")
def launches(load: Load) -> ModuleType:
    return load("module_utils/dstk_launch")


@pytest.fixture(autouse=True)
def no_waiting(launches: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by itself: every sleep is over at once, and the clock has moved."""
    clock = itertools.count()
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))


def launch(launches: ModuleType, ec2: Ec2, *, gone: tuple[str, ...] = (), image: str = "ami-1") -> dict[str, Any]:
    seat = launches.Seat("csx450", "ada")
    found: dict[str, Any] = launches.launch(ec2, seat, {**PARAMETERS, "ImageId": image}, SUBNETS, gone=gone)
    return found


def test_a_repeated_launch_answers_with_the_same_instance(launches: ModuleType) -> None:
    ec2 = Ec2()
    assert launch(launches, ec2)["InstanceId"] == launch(launches, ec2)["InstanceId"]
    assert len(ec2.launched) == 1


def test_a_launch_after_a_termination_makes_a_new_instance(launches: ModuleType) -> None:
    ec2 = Ec2()
    first = launch(launches, ec2)
    ec2.end()
    assert launch(launches, ec2, gone=(first["InstanceId"],))["InstanceId"] != first["InstanceId"]


def test_a_terminated_instance_that_aws_no_longer_shows_does_not_come_back(launches: ModuleType) -> None:
    ec2 = Ec2()
    first = launch(launches, ec2)
    ec2.end()
    second = launch(launches, ec2)
    assert second["InstanceId"] != first["InstanceId"]
    assert launch(launches, ec2)["InstanceId"] == second["InstanceId"]


def test_what_an_earlier_run_launched_from_an_older_image_is_kept(launches: ModuleType) -> None:
    ec2 = Ec2()
    first = launch(launches, ec2)
    assert launch(launches, ec2, image="ami-2")["InstanceId"] == first["InstanceId"]


def test_a_token_whose_instance_is_long_gone_is_not_used_again(launches: ModuleType) -> None:
    ec2 = Ec2()
    launch(launches, ec2)
    ec2.visible = False
    assert launch(launches, ec2, image="ami-2")["InstanceId"] == "i-2"


def test_a_zone_without_capacity_gives_way_to_the_next(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["InsufficientInstanceCapacity"]
    assert launch(launches, ec2)["SubnetId"] == "subnet-b"


def test_without_capacity_anywhere_the_last_refusal_is_told(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["InsufficientInstanceCapacity"] * 2
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        launch(launches, ec2)


def test_a_refusal_that_no_zone_would_change_is_told_at_once(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["VcpuLimitExceeded"]
    with pytest.raises(ClientError, match="VcpuLimitExceeded"):
        launch(launches, ec2)
    assert not ec2.launched


def test_throttling_is_waited_out(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["RequestLimitExceeded"] * 5
    assert launch(launches, ec2)["InstanceId"] == "i-1"


def test_throttling_without_end_is_told(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["RequestLimitExceeded"] * 50
    with pytest.raises(ClientError, match="RequestLimitExceeded"):
        launch(launches, ec2)


def test_a_token_is_as_long_as_aws_takes_and_differs_by_seat_zone_and_generation(launches: ModuleType) -> None:
    seat = launches.Seat("csx450", "ada")
    tokens = {
        launches.client_token(seat, "a", []),
        launches.client_token(seat, "b", []),
        launches.client_token(seat, "a", ["i-1"]),
        launches.client_token(launches.Seat("csx450", "bob"), "a", []),
    }
    assert len(tokens) == 4
    assert {len(token) for token in tokens} == {64}


def test_a_running_instance_without_an_address_is_waited_for(launches: ModuleType) -> None:
    ec2 = Ec2()
    instance = launch(launches, ec2)
    ec2.end("running")
    with pytest.raises(launches.LaunchError, match="Fix: "):
        launches.wait_for_state(ec2, instance["InstanceId"], "running", timeout=5)
    instance["PublicIpAddress"] = "203.0.113.1"
    assert launches.wait_for_state(ec2, instance["InstanceId"], "running", timeout=5) == instance


def test_an_instance_that_ends_while_starting_is_told_with_its_reason(launches: ModuleType) -> None:
    ec2 = Ec2()
    instance = launch(launches, ec2)
    instance["StateReason"] = {"Message": "Client.VolumeLimitExceeded"}
    ec2.end()
    with pytest.raises(launches.LaunchError, match="VolumeLimitExceeded"):
        launches.wait_for_state(ec2, instance["InstanceId"], "running", timeout=5)


def test_everything_that_a_launch_makes_is_tagged_in_the_call(launches: ModuleType) -> None:
    parameters = launches.run_parameters(
        seat=launches.Seat("csx450", "ada"),
        image={"image_id": "ami-1", "root_device_name": "/dev/sda1"},
        instance_type="t3.medium",
        volume_size=30,
        key_name="csx450",
        security_group_ids=["sg-1"],
        tags={"Name": "csx450-ada"},
    )
    tagged = {part["ResourceType"]: part["Tags"] for part in parameters["TagSpecifications"]}
    labels = [
        {"Key": "Name", "Value": "csx450-ada"},
        {"Key": "dstk:deployment", "Value": "csx450"},
        {"Key": "dstk:student", "Value": "ada"},
    ]
    assert tagged == {"instance": labels, "volume": labels, "network-interface": labels}
