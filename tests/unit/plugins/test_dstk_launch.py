from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from support.plugins import Load

SUBNETS = [{"id": "subnet-a", "zone": "a"}, {"id": "subnet-b", "zone": "b"}]
REQUEST = {"ImageId": "ami-1", "InstanceType": "t3.micro", "NetworkInterfaces": [{"DeviceIndex": 0}]}


class Ec2:
    """An EC2 that keeps its word about client tokens, as moto does not, and has as many machines as it is given."""

    def __init__(self) -> None:
        self.launched: dict[str, list[dict[str, Any]]] = {}
        self.requests: dict[str, dict[str, Any]] = {}
        self.refusals: list[str] = []
        self.capacity: dict[str, int] = {}
        self.quota = 1000
        self.sizes: list[int] = []
        self.visible = True
        self._numbers = itertools.count(1)

    @property
    def instances(self) -> list[dict[str, Any]]:
        return [instance for batch in self.launched.values() for instance in batch]

    def run_instances(self, *, ClientToken: str, **request: Any) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if self.refusals:
            refuse(self.refusals.pop(0))
        if self.requests.get(ClientToken, request) != request:
            refuse("IdempotentParameterMismatch")
        if ClientToken not in self.launched:
            subnet, most = request["NetworkInterfaces"][0]["SubnetId"], request["MaxCount"]
            self.sizes.append(most)
            if most > self.quota - len(self.instances):
                refuse("VcpuLimitExceeded")
            count = min(most, self.capacity.get(subnet, 1000))
            if count < request["MinCount"]:
                refuse("InsufficientInstanceCapacity")
            self.capacity[subnet] = self.capacity.get(subnet, 1000) - count
            self.requests[ClientToken] = request
            labels = [part["Tags"] for part in request.get("TagSpecifications", [])]
            self.launched[ClientToken] = [self._make(subnet, labels) for _ in range(count)]
        return {"Instances": self.launched[ClientToken]}

    def _make(self, subnet: str, labels: list[Any]) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "InstanceId": f"i-{number}",
            "State": {"Name": "pending"},
            "LaunchTime": number,
            "SubnetId": subnet,
            "Tags": labels[0] if labels else [],
        }

    def get_paginator(self, operation: str) -> Ec2:
        assert operation == "describe_instances"
        return self

    def paginate(self, *, Filters: list[dict[str, Any]]) -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
        [tokens] = [f["Values"] for f in Filters if f["Name"] == "client-token"]
        found = [item for token, batch in self.launched.items() if self.visible and token in tokens for item in batch]
        return [{"Reservations": [{"Instances": found}]}]

    def end(self) -> None:
        for instance in self.instances:
            instance["State"]["Name"] = "terminated"


def refuse(code: str) -> None:
    raise ClientError({"Error": {"Code": code, "Message": code}}, "RunInstances")


@pytest.fixture(scope="module")
def launches(load: Load) -> ModuleType:
    return load("module_utils/dstk_launch")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes by itself: every sleep is over at once, and the clock has moved."""
    clock = itertools.count()
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))


def launch(
    launches: ModuleType, ec2: Ec2, count: int = 1, *, known: tuple[str, ...] = (), **request: Any
) -> tuple[list[str], str]:
    """What a new run launches, by id, and the code of what stood against the rest."""
    launcher = launches.Launcher(ec2, "csx450", set(known))
    came, error = launcher.launch({**REQUEST, **request}, count, SUBNETS)
    return [instance["InstanceId"] for instance in came], error.response["Error"]["Code"] if error else ""


def labels(**tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": "instance", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def test_a_class_is_launched_in_few_calls(launches: ModuleType) -> None:
    ec2 = Ec2()
    came, refusal = launch(launches, ec2, 120)
    assert (len(came), refusal, ec2.sizes) == (120, "", [50, 50, 20])


def test_a_repeated_launch_answers_with_the_same_instances(launches: ModuleType) -> None:
    ec2 = Ec2()
    assert launch(launches, ec2, 3) == launch(launches, ec2, 3)
    assert len(ec2.instances) == 3


def test_a_run_that_was_killed_between_two_batches_is_finished_without_doubles(launches: ModuleType) -> None:
    ec2 = Ec2()
    came, _ = launch(launches, ec2, 80)
    # the next run sees the first batch, whose answer came, and not the second, which is on its way
    assert launch(launches, ec2, 30, known=tuple(came[:50])) == (came[50:], "")
    assert len(ec2.instances) == 80


def test_a_launch_after_a_termination_makes_a_new_instance(launches: ModuleType) -> None:
    ec2 = Ec2()
    [first], _ = launch(launches, ec2)
    ec2.end()
    assert launch(launches, ec2, known=(first,))[0] != [first]


def test_a_terminated_instance_that_aws_no_longer_shows_does_not_come_back(launches: ModuleType) -> None:
    ec2 = Ec2()
    first, _ = launch(launches, ec2)
    ec2.end()
    second, _ = launch(launches, ec2)
    assert second != first
    assert launch(launches, ec2)[0] == second


def test_what_an_earlier_run_launched_from_an_older_image_is_kept(launches: ModuleType) -> None:
    ec2 = Ec2()
    first = launch(launches, ec2)
    assert launch(launches, ec2, ImageId="ami-2") == first


def test_what_an_earlier_run_launched_for_a_shorter_roster_is_kept_and_added_to(launches: ModuleType) -> None:
    ec2 = Ec2()
    first, _ = launch(launches, ec2, 2)
    came, _ = launch(launches, ec2, 3)
    assert came[:2] == first
    assert len(ec2.instances) == 3


def test_an_instance_that_was_launched_for_somebody_else_is_left_to_them(launches: ModuleType) -> None:
    ec2 = Ec2()
    bobs, _ = launch(launches, ec2, TagSpecifications=labels(**{"dstk:student": "bob"}))
    adas, _ = launch(launches, ec2, TagSpecifications=labels(**{"dstk:student": "ada"}))
    assert adas != bobs


def test_a_token_whose_instance_is_long_gone_is_not_used_again(launches: ModuleType) -> None:
    ec2 = Ec2()
    launch(launches, ec2)
    ec2.visible = False
    assert launch(launches, ec2, ImageId="ami-2")[0] == ["i-2"]


def test_a_zone_without_capacity_gives_way_to_the_next(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.capacity = {"subnet-a": 0}
    launch(launches, ec2)
    assert [instance["SubnetId"] for instance in ec2.instances] == ["subnet-b"]


def test_a_zone_that_has_a_part_is_used_up_before_the_next(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.capacity = {"subnet-a": 3}
    launch(launches, ec2, 5)
    assert [instance["SubnetId"][-1] for instance in ec2.instances] == ["a", "a", "a", "b", "b"]


def test_without_capacity_for_all_those_that_came_are_answered_with_the_last_refusal(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.capacity = {"subnet-a": 1, "subnet-b": 1}
    assert launch(launches, ec2, 5) == (["i-1", "i-2"], "InsufficientInstanceCapacity")


def test_a_quota_that_is_met_half_way_leaves_what_fits(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.quota = 37
    came, refusal = launch(launches, ec2, 60)
    assert (len(came), refusal) == (37, "VcpuLimitExceeded")


def test_a_refusal_that_no_zone_would_change_is_told_at_once(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["UnauthorizedOperation"]
    assert launch(launches, ec2, 5) == ([], "UnauthorizedOperation")
    assert ec2.sizes == []


def test_a_connection_that_broke_off_has_no_code(load: Load) -> None:
    broken = ConnectionClosedError(endpoint_url="https://ec2.us-west-2.amazonaws.com")
    assert load("module_utils/dstk_ec2").error_code(broken) == ""


def test_throttling_is_waited_out(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["RequestLimitExceeded"] * 5
    assert launch(launches, ec2) == (["i-1"], "")


def test_throttling_without_end_is_told(launches: ModuleType) -> None:
    ec2 = Ec2()
    ec2.refusals = ["RequestLimitExceeded"] * 50
    assert launch(launches, ec2) == ([], "RequestLimitExceeded")


def test_a_token_is_as_long_as_aws_takes_and_differs_by_deployment_type_zone_and_what_was_there(
    launches: ModuleType,
) -> None:
    tokens = {
        launches.client_token("csx450", "t3.micro", "a", []),
        launches.client_token("csx450", "t3.micro", "b", []),
        launches.client_token("csx450", "t3.small", "a", []),
        launches.client_token("csx450", "t3.micro", "a", ["i-1"]),
        launches.client_token("other", "t3.micro", "a", []),
    }
    assert len(tokens) == 5
    assert {len(token) for token in tokens} == {64}


@pytest.mark.parametrize(("given", "sent"), [({"user_data": "#!/bin/sh\n"}, "#!/bin/sh\n"), ({}, None)])
def test_a_launch_says_what_the_first_boot_runs(launches: ModuleType, given: dict[str, str], sent: str | None) -> None:
    image = {"image_id": "ami-1", "root_device_name": "/dev/sda1"}
    parameters = launches.run_parameters(
        image=image, instance_type="t3.medium", volume_size=30, key_name="", security_group_ids=[], tags={}, **given
    )
    assert parameters.get("UserData") == sent


def test_everything_that_a_launch_makes_is_tagged_in_the_call(launches: ModuleType) -> None:
    parameters = launches.run_parameters(
        image={"image_id": "ami-1", "root_device_name": "/dev/sda1"},
        instance_type="t3.medium",
        volume_size=30,
        key_name="csx450",
        security_group_ids=["sg-1"],
        tags={"dstk:deployment": "csx450", "Name": "csx450-ada"},
    )
    tagged = {part["ResourceType"]: part["Tags"] for part in parameters["TagSpecifications"]}
    given = [{"Key": "Name", "Value": "csx450-ada"}, {"Key": "dstk:deployment", "Value": "csx450"}]
    assert tagged == {"instance": given, "volume": given, "network-interface": given}
