"""AWS as a test sees it: one region of a sandbox, or of moto as it is when nothing stands before it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sts import STSClient

CANONICAL = "099720109477"

#: Regions that every account may use, so that each test of a server can have one that nobody touched.
REGIONS = (
    *("us-west-2", "us-east-1", "us-east-2", "us-west-1", "eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2", "ap-south-1", "ca-central-1"),
    *("sa-east-1",),
)


@dataclass(frozen=True)
class Aws:
    """Clients of one region; each makes its call once, without the retries that would hide a refusal."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str

    def session(self) -> boto3.Session:
        return boto3.Session(self.access_key_id, self.secret_access_key, region_name=self.region)

    @property
    def settings(self) -> dict[str, Any]:
        retries = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30, proxies={})
        return {"endpoint_url": self.endpoint, "config": retries}

    @cached_property
    def ec2(self) -> EC2Client:
        return self.session().client("ec2", **self.settings)

    @cached_property
    def sts(self) -> STSClient:
        return self.session().client("sts", **self.settings)

    @cached_property
    def quotas(self) -> ServiceQuotasClient:
        return self.session().client("service-quotas", **self.settings)

    def elsewhere(self, region: str) -> Aws:
        return replace(self, region=region)

    def image(self, *, architecture: str = "x86_64", release: str = "noble-24.04") -> str:
        """An Ubuntu image of Canonical's; of plain moto, which has none of these, any image."""
        filters: Any = [
            {"Name": "name", "Values": [f"ubuntu/images/*/ubuntu-{release}-*"]},
            {"Name": "architecture", "Values": [architecture]},
        ]
        images = self.ec2.describe_images(Owners=[CANONICAL], Filters=filters)["Images"]
        return (images or self.ec2.describe_images()["Images"])[0]["ImageId"]

    def network(self, *, zone: str = "a", cidr: str = "10.77.0.0/16") -> Network:
        """A VPC with a gateway, a public subnet and a security group."""
        vpc = self.ec2.create_vpc(CidrBlock=cidr)["Vpc"]["VpcId"]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        place = f"{self.region}{zone}"
        subnet = self.ec2.create_subnet(
            VpcId=vpc, CidrBlock=cidr.replace(".0.0/16", ".1.0/24"), AvailabilityZone=place
        )["Subnet"]["SubnetId"]
        self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        group = self.ec2.create_security_group(GroupName="notebooks", Description="notebooks", VpcId=vpc)["GroupId"]
        return Network(vpc, gateway, subnet, group)

    def launch(self, network: Network | None = None, **more: Any) -> str:
        """One instance, by id."""
        return self.launch_many(network, **more)[0]["InstanceId"]

    def launch_many(self, network: Network | None = None, **more: Any) -> list[InstanceTypeDef]:
        request: dict[str, Any] = {"InstanceType": "m5.large", "MinCount": 1, "MaxCount": 1}
        if network:
            request |= {"SubnetId": network.subnet, "SecurityGroupIds": [network.group]}
        request |= more
        if "ImageId" not in request:
            request["ImageId"] = self.image()
        return self.ec2.run_instances(**request)["Instances"]

    def instance(self, instance_id: str) -> InstanceTypeDef:
        return self.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]

    def state(self, instance_id: str) -> str:
        return self.instance(instance_id)["State"]["Name"]

    def wait(
        self, instance_id: str, state: Literal["running", "stopped", "terminated"], *, seconds: float = 15
    ) -> None:
        deadline = time.monotonic() + seconds
        while (now := self.state(instance_id)) != state:
            assert time.monotonic() < deadline, f"{instance_id} is {now}, not {state}, after {seconds} s"
            time.sleep(0.1)

    def matches(self, instance_id: str, state: str) -> bool:
        """Whether a search for instances in this state finds the instance."""
        found = self.ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": [state]}])
        return instance_id in {i["InstanceId"] for r in found["Reservations"] for i in r["Instances"]}


@dataclass(frozen=True)
class Network:
    """The ids of what `Aws.network` made."""

    vpc: str
    gateway: str
    subnet: str
    group: str


@contextmanager
def refused(code: str, *, text: str = "", status: int | None = None) -> Iterator[None]:
    """Assert that AWS refuses what is done within, with this error code."""
    try:
        yield
    except ClientError as error:
        answer: Mapping[str, Any] = error.response
        assert answer["Error"]["Code"] == code, f"refused, but with {answer['Error']}"
        assert text in answer["Error"]["Message"], answer["Error"]
        assert status in (None, answer["ResponseMetadata"]["HTTPStatusCode"]), answer["ResponseMetadata"]
        return
    raise AssertionError(f"it was done, and not refused with {code}")
