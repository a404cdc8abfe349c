"""Spot instances have requests, which decide who may start them, and launch others where nobody cancelled them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dstk_runner import sandbox
from support.aws import Aws
from support.promises import drive

PERSISTENT: Any = {
    "MarketType": "spot",
    "SpotOptions": {"SpotInstanceType": "persistent", "InstanceInterruptionBehavior": "stop"},
}
TAGS: Any = [{"Key": "dstk:deployment", "Value": "csx450"}]


def launch(aws: Aws, **more: Any) -> str:
    made = aws.ec2.run_instances(
        ImageId=aws.image(),
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        InstanceMarketOptions=PERSISTENT,
        TagSpecifications=[{"ResourceType": "spot-instances-request", "Tags": TAGS}],
        **more,
    )
    return made["Instances"][0]["InstanceId"]


def find(aws: Aws, instance_id: str) -> dict[str, Any]:
    [reservation] = aws.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    return dict(reservation["Instances"][0])


def find_requests(aws: Aws) -> list[tuple[str, str, str]]:
    by: Any = [{"Name": "tag:dstk:deployment", "Values": ["csx450"]}]
    rows = aws.ec2.describe_spot_instance_requests(Filters=by)["SpotInstanceRequests"]
    return [(row["InstanceId"], row["State"], row["Status"]["Code"]) for row in rows]


def wait(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def await_state(aws: Aws, instance_id: str, state: str) -> None:
    wait(lambda: find(aws, instance_id)["State"]["Name"] == state)


def code_of(call: Callable[..., object], **arguments: Any) -> str:
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def a_launch_has_a_request_with_its_tags(aws: Aws) -> None:
    instance_id = launch(aws)
    assert find_requests(aws) == [(instance_id, "active", "fulfilled")]
    assert find(aws, instance_id)["SpotInstanceRequestId"].startswith("sir-")


def the_type_of_a_spot_instance_stays(aws: Aws) -> None:
    instance_id = launch(aws)
    await_state(aws, instance_id, "running")
    aws.ec2.stop_instances(InstanceIds=[instance_id])
    await_state(aws, instance_id, "stopped")
    change = {"InstanceId": instance_id, "InstanceType": {"Value": "t3.large"}}
    assert code_of(aws.ec2.modify_instance_attribute, **change) == "UnsupportedOperation"


def a_request_comes_to_rest_after_its_instance(aws: Aws) -> None:
    instance_id = launch(aws)
    await_state(aws, instance_id, "running")
    aws.ec2.stop_instances(InstanceIds=[instance_id])
    await_state(aws, instance_id, "stopped")
    assert code_of(aws.ec2.start_instances, InstanceIds=[instance_id]) == "IncorrectSpotRequestState"


test_the_sandbox_keeps, test_plain_moto_breaks = drive(
    [
        a_launch_has_a_request_with_its_tags,
        the_type_of_a_spot_instance_stays,
        a_request_comes_to_rest_after_its_instance,
    ]
)


def test_who_stopped_an_instance_may_start_it_again(aws: Aws) -> None:
    instance_id = launch(aws)
    await_state(aws, instance_id, "running")
    aws.ec2.stop_instances(InstanceIds=[instance_id])
    wait(lambda: find_requests(aws) == [(instance_id, "disabled", "instance-stopped-by-user")])
    aws.ec2.start_instances(InstanceIds=[instance_id])
    await_state(aws, instance_id, "running")
    assert find_requests(aws) == [(instance_id, "active", "fulfilled")]


def take_back(aws: Aws, folder: Path) -> str:
    instance_id = launch(aws)
    await_state(aws, instance_id, "running")
    sandbox.interrupt_spot(instance_id, seconds=0, directory=folder)
    wait(lambda: find_requests(aws) == [(instance_id, "disabled", "instance-stopped-no-capacity")])
    return instance_id


def test_what_ec2_took_back_only_ec2_starts_again(aws: Aws, folder: Path) -> None:
    instance_id = take_back(aws, folder)
    assert find(aws, instance_id)["StateReason"]["Code"] == "Server.SpotInstanceShutdown"
    assert code_of(aws.ec2.start_instances, InstanceIds=[instance_id]) == "IncorrectSpotRequestState"
    assert instance_id in sandbox.return_capacity(directory=folder)
    await_state(aws, instance_id, "running")


def test_a_notice_comes_before_the_stop(aws: Aws, folder: Path) -> None:
    instance_id = launch(aws)
    await_state(aws, instance_id, "running")
    notice = sandbox.interrupt_spot(instance_id, seconds=3, directory=folder)
    assert (notice["action"], notice["time"][-1]) == ("stop", "Z")
    assert find(aws, instance_id)["State"]["Name"] == "running"
    await_state(aws, instance_id, "stopped")


def test_an_instance_on_demand_is_not_taken_back(aws: Aws, folder: Path) -> None:
    with pytest.raises(sandbox.SandboxError, match="no spot instance"):
        sandbox.interrupt_spot("i-0123456789abcdef0", directory=folder)


def test_a_forgotten_cancel_launches_another_without_tags(aws: Aws) -> None:
    instance_id = launch(aws, ClientToken="forgotten")
    await_state(aws, instance_id, "running")
    aws.ec2.terminate_instances(InstanceIds=[instance_id])
    wait(lambda: find_requests(aws)[0][0] != instance_id)
    [(stray, state, _)] = find_requests(aws)
    assert (state, find(aws, stray).get("Tags")) == ("active", None)


def test_a_request_that_was_cancelled_launches_nothing(aws: Aws) -> None:
    instance_id = launch(aws)
    await_state(aws, instance_id, "running")
    request = find(aws, instance_id)["SpotInstanceRequestId"]
    aws.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
    assert find_requests(aws) == [(instance_id, "cancelled", "request-canceled-and-instance-running")]
    aws.ec2.terminate_instances(InstanceIds=[instance_id])
    await_state(aws, instance_id, "terminated")
    time.sleep(1)  # the market looks four times a second
    assert find_requests(aws) == [(instance_id, "cancelled", "instance-terminated-by-user")]


def test_to_cancel_ends_an_instance_that_is_stopped(aws: Aws, folder: Path) -> None:
    instance_id = take_back(aws, folder)
    request = find(aws, instance_id)["SpotInstanceRequestId"]
    aws.ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
    await_state(aws, instance_id, "terminated")


def test_spot_and_on_demand_have_quotas_of_their_own(aws: Aws, folder: Path) -> None:
    sandbox.ensure_quota("L-34B43A08", 2, directory=folder)
    launch(aws)
    assert code_of(lambda: launch(aws)) == "MaxSpotInstanceCountExceeded"
    aws.ec2.run_instances(ImageId=aws.image(), InstanceType="t3.small", MinCount=1, MaxCount=1)
    sandbox.ensure_quota("L-34B43A08", 32, directory=folder)
