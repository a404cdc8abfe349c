"""Only known keys are admitted, and only in regions that the account may use."""

from __future__ import annotations

import json
from dataclasses import replace

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

from support.aws import Aws, refused
from support.promises import drive


def an_unknown_key_is_refused(aws: Aws) -> None:
    with refused("AuthFailure", status=401):
        replace(aws, access_key_id="AKIAIOSFODNN7NOBODYS").ec2.describe_vpcs()


def an_unknown_key_has_no_identity(aws: Aws) -> None:
    with refused("InvalidClientTokenId", status=403):
        replace(aws, access_key_id="AKIAIOSFODNN7NOBODYS").sts.get_caller_identity()


def a_mistyped_secret_is_refused(aws: Aws) -> None:
    mistyped = replace(aws, secret_access_key=aws.secret_access_key.swapcase())
    with refused("AuthFailure", status=401):
        mistyped.ec2.describe_vpcs()


def a_mistyped_secret_has_no_identity(aws: Aws) -> None:
    mistyped = replace(aws, secret_access_key=aws.secret_access_key.swapcase())
    with refused("SignatureDoesNotMatch", status=403):
        mistyped.sts.get_caller_identity()


def an_unsigned_call_is_refused(aws: Aws) -> None:
    anonymous = boto3.client(
        "ec2", region_name=aws.region, endpoint_url=aws.endpoint, config=Config(signature_version=UNSIGNED)
    )
    with refused("AuthFailure"):
        anonymous.describe_vpcs()


def a_region_not_opted_into_is_refused(aws: Aws) -> None:
    with refused("AuthFailure"):
        aws.elsewhere("af-south-1").ec2.describe_vpcs()


def a_region_that_does_not_exist_does_not_answer(aws: Aws) -> None:
    try:
        aws.elsewhere("us-west-9").ec2.describe_vpcs()
    except HTTPClientError:
        return
    except (ClientError, ResponseParserError) as error:
        raise AssertionError(error) from error
    raise AssertionError("us-west-9 answered")


def regions_are_told_apart(aws: Aws) -> None:
    usable = {region["RegionName"] for region in aws.ec2.describe_regions()["Regions"]}
    every_region = aws.ec2.describe_regions(AllRegions=True)["Regions"]
    status = {region["RegionName"]: region["OptInStatus"] for region in every_region}
    assert status["af-south-1"] == "not-opted-in", status
    assert "af-south-1" not in usable, usable


def a_dry_run_makes_nothing(aws: Aws) -> None:
    before = aws.ec2.describe_vpcs()["Vpcs"]
    with refused("DryRunOperation", status=412):
        aws.ec2.create_vpc(CidrBlock="10.9.0.0/16", DryRun=True)
    assert aws.ec2.describe_vpcs()["Vpcs"] == before


PROMISES = (
    an_unknown_key_is_refused,
    an_unknown_key_has_no_identity,
    a_mistyped_secret_is_refused,
    a_mistyped_secret_has_no_identity,
    an_unsigned_call_is_refused,
    a_region_not_opted_into_is_refused,
    a_region_that_does_not_exist_does_not_answer,
    regions_are_told_apart,
    a_dry_run_makes_nothing,
)


test_the_sandbox_keeps, test_plain_moto_breaks = drive(PROMISES)


def test_the_sandbox_has_an_account(aws: Aws) -> None:
    assert aws.sts.get_caller_identity()["Account"] == "123456789012"


def make_user(aws: Aws, name: str, *actions: str) -> Aws:
    """Return the AWS of a user of IAM who may do these."""
    iam = aws.session().client("iam", endpoint_url=aws.endpoint)
    iam.create_user(UserName=name)
    if actions:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="some", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return replace(aws, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])


def test_a_user_of_iam_may_do_what_a_policy_allows(aws: Aws) -> None:
    assert make_user(aws, "ada", "ec2:Describe*").ec2.describe_vpcs()["Vpcs"]


def test_a_user_of_iam_may_do_no_more_than_that(aws: Aws) -> None:
    with refused("UnauthorizedOperation", text="ec2:CreateVpc", status=403):
        make_user(aws, "bob", "ec2:Describe*").ec2.create_vpc(CidrBlock="10.9.0.0/16")


def test_every_user_of_iam_may_ask_who_they_are(aws: Aws) -> None:
    assert make_user(aws, "eve").sts.get_caller_identity()["Arn"].endswith(":user/eve")


def test_every_region_of_the_account_has_images(aws: Aws) -> None:
    regions = [region["RegionName"] for region in aws.ec2.describe_regions()["Regions"]]
    images = {aws.elsewhere(region).image(release="resolute-26.04") for region in regions}
    assert len(images) == len(regions)
