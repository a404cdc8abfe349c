from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from support.plugins import Load

BUCKET = "dstk-csx450-9012-us-west-2"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """IAM and S3 of a moto of its own, with AWS's managed policies."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("iam", "us-west-2"), boto3.client("s3", "us-west-2")


def open_access(load: Load, clients: tuple[Any, Any]) -> Any:
    return load("module_utils/dstk_profile").Access(*clients, "csx450", BUCKET, "us-west-2")


def ensure(load: Load, clients: tuple[Any, Any]) -> list[str]:
    access = open_access(load, clients)
    access.ensure_bucket()
    access.ensure_profile()
    return list(access.changes)


def test_the_profile_lets_session_manager_in(load: Load, clients: tuple[Any, Any]) -> None:
    ensure(load, clients)
    profile = clients[0].get_instance_profile(InstanceProfileName="csx450-us-west-2")["InstanceProfile"]
    policies = clients[0].list_attached_role_policies(RoleName=profile["Roles"][0]["RoleName"])["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in policies] == ["AmazonSSMManagedInstanceCore"]


def test_the_bucket_is_closed_encrypted_and_forgets(load: Load, clients: tuple[Any, Any]) -> None:
    ensure(load, clients)
    s3 = clients[1]
    assert all(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"][0]["Expiration"] == {"Days": 1}


def test_a_second_time_nothing_is_changed(load: Load, clients: tuple[Any, Any]) -> None:
    ensure(load, clients)
    assert ensure(load, clients) == []


def test_nothing_is_left(load: Load, clients: tuple[Any, Any]) -> None:
    ensure(load, clients)
    clients[1].put_object(Bucket=BUCKET, Key="i-1/file", Body=b"left by a run that was killed")
    open_access(load, clients).ensure_absent()
    assert clients[0].list_roles(PathPrefix="/dstk/")["Roles"] == []
    assert clients[0].list_instance_profiles()["InstanceProfiles"] == []
    assert clients[1].list_buckets()["Buckets"] == []


def test_removing_nothing_is_no_failure(load: Load, clients: tuple[Any, Any]) -> None:
    access = open_access(load, clients)
    access.ensure_absent()
    assert access.changes == []


def test_a_role_of_somebody_else_is_left_and_told(load: Load, clients: tuple[Any, Any]) -> None:
    clients[0].create_role(RoleName="csx450-us-west-2", AssumeRolePolicyDocument="{}")
    access = open_access(load, clients)
    with pytest.raises(Exception, match="choose another `deployment`"):
        access.ensure_profile()
    access.ensure_absent()
    assert clients[0].get_role(RoleName="csx450-us-west-2")


def test_the_longest_deployment_has_a_bucket_whose_name_s3_takes(load: Load) -> None:
    name = load("module_utils/dstk_bucket").bucket_name("d" * 40, "123456789012", "ap-southeast-2")
    assert len(name) <= 63
