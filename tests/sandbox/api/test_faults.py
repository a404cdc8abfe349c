"""Faults come when they were asked for, as often as was asked, and not again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import HTTPClientError

from dstk_runner import sandbox
from support.aws import Aws, refused


@pytest.fixture(autouse=True)
def _no_faults(folder: Path) -> Iterator[None]:
    yield
    sandbox.clear_faults(directory=folder)


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("throttle", "RequestLimitExceeded", 503),
        ("expired", "RequestExpired", 400),
        ("unauthorized", "UnauthorizedOperation", 403),
        ("error", "InternalError", 500),
    ],
)
def test_ec2_answers_with_the_fault(aws: Aws, folder: Path, fault: str, code: str, status: int) -> None:
    sandbox.inject("DescribeVpcs", fault, directory=folder)
    with refused(code, status=status):
        aws.ec2.describe_vpcs()


@pytest.mark.parametrize(("fault", "code"), [("expired", "ExpiredToken"), ("unauthorized", "AccessDenied")])
def test_older_services_say_it_in_their_own_words(aws: Aws, folder: Path, fault: str, code: str) -> None:
    sandbox.inject("*", fault, directory=folder)
    with refused(code):
        aws.sts.get_caller_identity()


def test_newer_services_say_it_in_their_own_words(aws: Aws, folder: Path) -> None:
    sandbox.inject("*", "expired", directory=folder)
    with refused("ExpiredTokenException"):
        aws.quotas.list_service_quotas(ServiceCode="ec2")


def test_a_fault_comes_as_often_as_asked_for(aws: Aws, folder: Path) -> None:
    sandbox.inject("DescribeVpcs", "throttle", count=2, directory=folder)
    for _ in range(2):
        with refused("RequestLimitExceeded"):
            aws.ec2.describe_vpcs()
    assert aws.ec2.describe_vpcs()["Vpcs"]


def test_a_fault_without_count_stays_until_cleared(aws: Aws, folder: Path) -> None:
    sandbox.inject("DescribeVpcs", "throttle", count=None, directory=folder)
    for _ in range(3):
        with refused("RequestLimitExceeded"):
            aws.ec2.describe_vpcs()
    sandbox.clear_faults(directory=folder)
    assert aws.ec2.describe_vpcs()["Vpcs"]


def test_a_fault_leaves_other_actions_alone(aws: Aws, folder: Path) -> None:
    sandbox.inject("RunInstances", "throttle", directory=folder)
    assert aws.ec2.describe_vpcs()["Vpcs"]


def test_one_zone_can_be_full(aws: Aws, folder: Path) -> None:
    network = aws.network(zone="a")
    free = aws.ec2.create_subnet(VpcId=network.vpc, CidrBlock="10.77.2.0/24", AvailabilityZone=f"{aws.region}b")
    sandbox.inject("RunInstances", "no-capacity", count=None, zone=f"{aws.region}a", directory=folder)
    with refused("InsufficientInstanceCapacity", status=500, text=f"{aws.region}a"):
        aws.launch(network)
    assert aws.launch(network, SubnetId=free["Subnet"]["SubnetId"])


def test_a_lost_reply_hides_what_was_done(aws: Aws, folder: Path) -> None:
    network = aws.network()
    sandbox.inject("RunInstances", "reply-lost", directory=folder)
    with pytest.raises(HTTPClientError):
        aws.launch(network)
    found = aws.ec2.describe_instances(Filters=[{"Name": "subnet-id", "Values": [network.subnet]}])
    assert len(found["Reservations"]) == 1


def test_a_client_that_tries_again_after_a_lost_reply_has_one_instance(aws: Aws, folder: Path) -> None:
    network, image = aws.network(), aws.image()
    sandbox.inject("RunInstances", "reply-lost", directory=folder)
    patient = aws.session().client("ec2", endpoint_url=aws.endpoint, config=Config(retries={"mode": "standard"}))
    patient.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=network.subnet)
    found = aws.ec2.describe_instances(Filters=[{"Name": "subnet-id", "Values": [network.subnet]}])
    assert len(found["Reservations"]) == 1


def test_a_fault_that_does_not_exist_is_refused(server: object, folder: Path) -> None:
    with pytest.raises(sandbox.SandboxError, match="reply-lost"):
        sandbox.inject("RunInstances", "earthquake", directory=folder)


def test_a_delay_comes_before_every_answer_until_it_is_taken_away(aws: Aws, folder: Path) -> None:
    sandbox.ensure_delay(0.5, directory=folder)
    try:
        started = time.monotonic()
        aws.ec2.describe_subnets()
        assert time.monotonic() - started >= 0.5
    finally:
        sandbox.ensure_delay(0, directory=folder)
    assert sandbox.rehearsal.ask("GET", "delay", directory=folder) == {"seconds": 0}


@pytest.mark.parametrize("seconds", [-1, 61])
def test_a_delay_that_nobody_would_wait_for_is_refused(server: object, folder: Path, seconds: float) -> None:
    with pytest.raises(sandbox.SandboxError, match="0 to 60 seconds"):
        sandbox.ensure_delay(seconds, directory=folder)


def test_calls_are_counted(aws: Aws, folder: Path) -> None:
    before = sandbox.find_calls(directory=folder).get("DescribeSubnets", 0)
    aws.ec2.describe_subnets()
    assert sandbox.find_calls(directory=folder)["DescribeSubnets"] == before + 1
