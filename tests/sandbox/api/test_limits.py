"""Quotas and request buckets are those of a new account."""

from __future__ import annotations

from botocore.exceptions import ClientError

from dstk_runner import sandbox
from support.aws import Aws, refused
from support.promises import drive

VCPUS, ADDRESSES, VPCS = "L-1216C47A", "L-0263D0A3", "L-F678F1CE"


def vcpus_are_counted(aws: Aws) -> None:
    aws.launch_many(aws.network(), InstanceType="m5.xlarge", MinCount=8, MaxCount=8)
    with refused("VcpuLimitExceeded", text="vCPU limit of 32"):
        aws.launch(InstanceType="t3.micro")


def elastic_addresses_are_counted(aws: Aws) -> None:
    for _ in range(5):
        aws.ec2.allocate_address(Domain="vpc")
    with refused("AddressLimitExceeded"):
        aws.ec2.allocate_address(Domain="vpc")


def vpcs_are_counted(aws: Aws) -> None:
    for number in range(4):  # the region's default VPC is the fifth
        aws.ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")
    with refused("VpcLimitExceeded"):
        aws.ec2.create_vpc(CidrBlock="10.9.0.0/16")


def quotas_of_ec2_are_told(aws: Aws) -> None:
    try:
        quota = aws.quotas.get_service_quota(ServiceCode="ec2", QuotaCode=VCPUS)["Quota"]
    except ClientError as error:
        raise AssertionError(error) from error
    assert quota["Value"] == 32, quota


def quotas_in_force_are_listed(aws: Aws) -> None:
    try:
        quotas = aws.quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]
    except ClientError as error:
        raise AssertionError(error) from error
    assert {VCPUS, ADDRESSES} <= {quota["QuotaCode"] for quota in quotas}, quotas


def launches_come_in_fives(aws: Aws) -> None:
    image, network = aws.image(), aws.network()
    with refused("RequestLimitExceeded", status=503):
        for _ in range(20):
            aws.launch(network, InstanceType="t3.micro", ImageId=image)


def unfiltered_searches_come_in_fifties(aws: Aws) -> None:
    with refused("RequestLimitExceeded", status=503):
        for _ in range(200):
            aws.ec2.describe_instances()


def filters_take_200_values(aws: Aws) -> None:
    with refused("FilterLimitExceeded"):
        aws.ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": [str(number) for number in range(201)]}])


PROMISES = (
    vcpus_are_counted,
    elastic_addresses_are_counted,
    vpcs_are_counted,
    quotas_of_ec2_are_told,
    quotas_in_force_are_listed,
    launches_come_in_fives,
    unfiltered_searches_come_in_fifties,
    filters_take_200_values,
)


test_the_sandbox_keeps, test_plain_moto_breaks = drive(PROMISES)


def test_quotas_of_networks_are_told(aws: Aws) -> None:
    assert aws.quotas.get_service_quota(ServiceCode="vpc", QuotaCode=VPCS)["Quota"]["Value"] == 5


def test_a_quota_that_does_not_exist_is_refused(aws: Aws) -> None:
    with refused("NoSuchResourceException"):
        aws.quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")


def test_a_launch_takes_what_the_quota_has_left(aws: Aws) -> None:
    launched = aws.launch_many(aws.network(), InstanceType="m5.4xlarge", MinCount=1, MaxCount=5)
    assert len(launched) == 2


def test_an_ended_instance_gives_its_vcpus_back(aws: Aws) -> None:
    network = aws.network()
    first = aws.launch(network, InstanceType="m5.8xlarge")
    aws.wait(first, "running")
    aws.ec2.terminate_instances(InstanceIds=[first])
    aws.wait(first, "terminated")
    assert aws.launch(network, InstanceType="m5.8xlarge")


def test_a_new_account_can_be_rehearsed(aws: Aws, folder: str) -> None:
    sandbox.ensure_quota(VCPUS, 5, directory=folder)
    try:
        assert aws.quotas.get_service_quota(ServiceCode="ec2", QuotaCode=VCPUS)["Quota"]["Value"] == 5
        default = aws.quotas.get_aws_default_service_quota(ServiceCode="ec2", QuotaCode=VCPUS)["Quota"]["Value"]
        assert default == 32
        with refused("VcpuLimitExceeded", text="vCPU limit of 5"):
            aws.launch(aws.network(), InstanceType="m5.xlarge", MinCount=2, MaxCount=2)
    finally:
        sandbox.ensure_quota(VCPUS, 32, directory=folder)
