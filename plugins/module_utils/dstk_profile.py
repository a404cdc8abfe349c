"""What Session Manager needs of an account: a profile for the instances, and a bucket that carries files."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

with contextlib.suppress(ImportError):  # AnsibleAWSModule reports the missing library
    from botocore.exceptions import ClientError

from ansible.module_utils.dstk_ec2 import DEPLOYMENT_TAG, error_code, tag_list, tags_of, throttled

PATH = "/dstk/"
POLICY = "policy/AmazonSSMManagedInstanceCore"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
EXPIRY_DAYS = 1
"""Files are removed as soon as they have been carried; this is for those of a run that was killed."""
GONE = frozenset({"NoSuchEntity", "NoSuchBucket", "404", "NoSuchKey"})


class ForeignError(Exception):
    """A role, profile or bucket has the name, and is somebody else's; the message says which, and what to do."""


@dataclass
class Access:
    """The parts of one deployment; `changes` are what was made or removed, or in check mode would be."""

    iam: Any
    s3: Any
    deployment: str
    bucket: str
    region: str
    partition: str = "aws"
    check_mode: bool = False
    changes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What profile and role are called: they are of an account, and deployments of a region."""
        return f"{self.deployment}-{self.region}"

    @property
    def tags(self) -> dict[str, str]:
        """The tags of every part."""
        return {DEPLOYMENT_TAG: self.deployment}

    def ensure_profile(self) -> None:
        """See to a profile of the deployment's name and region, with a role that Session Manager may use."""
        labels = tag_list(self.tags)
        role = _find(self.iam.get_role, RoleName=self.name)
        if role is None:
            trust = json.dumps(TRUST)
            request = {"RoleName": self.name, "Path": PATH, "AssumeRolePolicyDocument": trust, "Tags": labels}
            self._change("role", self.iam.create_role, **request)
        else:
            self._check("role", role["Role"])
        arn = f"arn:{self.partition}:iam::aws:{POLICY}"
        attached = _find(self.iam.list_attached_role_policies, RoleName=self.name) or {"AttachedPolicies": []}
        if arn not in [policy["PolicyArn"] for policy in attached["AttachedPolicies"]]:
            self._change("policy", self.iam.attach_role_policy, RoleName=self.name, PolicyArn=arn)
        profile = _find(self.iam.get_instance_profile, InstanceProfileName=self.name)
        if profile is None:
            request = {"InstanceProfileName": self.name, "Path": PATH, "Tags": labels}
            self._change("profile", self.iam.create_instance_profile, **request)
        else:
            self._check("instance profile", profile["InstanceProfile"])
        if profile is None or not profile["InstanceProfile"]["Roles"]:
            request = {"InstanceProfileName": self.name, "RoleName": self.name}
            self._change("role of the profile", self.iam.add_role_to_instance_profile, **request)

    def ensure_bucket(self) -> None:
        """See to a private, encrypted bucket whose files expire."""
        tags = self._find_bucket_tags()
        if tags is None:
            place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
            more = {"CreateBucketConfiguration": place} if place else {}
            self._change("bucket", self.s3.create_bucket, Bucket=self.bucket, **more)
        elif tags:
            self._check("bucket", {"Tags": tag_list(tags)})
            return  # the tags come last, so that a bucket which bears them is complete
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        rule = {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": EXPIRY_DAYS}}
        cipher = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        parts: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
            "privacy": (
                self.s3.put_public_access_block,
                {"PublicAccessBlockConfiguration": dict.fromkeys(closed, True)},
            ),
            "encryption": (
                self.s3.put_bucket_encryption,
                {"ServerSideEncryptionConfiguration": {"Rules": [cipher]}},
            ),
            "expiry": (self.s3.put_bucket_lifecycle_configuration, {"LifecycleConfiguration": {"Rules": [rule]}}),
            "tags": (self.s3.put_bucket_tagging, {"Tagging": {"TagSet": tag_list(self.tags)}}),
        }
        for what, (call, request) in parts.items():
            self._change(f"bucket's {what}", call, Bucket=self.bucket, **request)

    def ensure_absent(self) -> None:
        """See to it that nothing of this is left; what is somebody else's stays."""
        profile = _find(self.iam.get_instance_profile, InstanceProfileName=self.name)
        if profile and self._owns(profile["InstanceProfile"]):
            for role in profile["InstanceProfile"]["Roles"]:
                request = {"InstanceProfileName": self.name, "RoleName": role["RoleName"]}
                self._change("role of the profile", self.iam.remove_role_from_instance_profile, **request)
            self._change("profile", self.iam.delete_instance_profile, InstanceProfileName=self.name)
        role = _find(self.iam.get_role, RoleName=self.name)
        if role and self._owns(role["Role"]):
            for policy in self.iam.list_attached_role_policies(RoleName=self.name)["AttachedPolicies"]:
                request = {"RoleName": self.name, "PolicyArn": policy["PolicyArn"]}
                self._change("policy", self.iam.detach_role_policy, **request)
            self._change("role", self.iam.delete_role, RoleName=self.name)
        if self._find_bucket_tags() == self.tags:
            self._empty_bucket()
            self._change("bucket", self.s3.delete_bucket, Bucket=self.bucket)

    def _empty_bucket(self) -> None:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
            if keys:
                self._change("files", self.s3.delete_objects, Bucket=self.bucket, Delete={"Objects": keys})

    def _find_bucket_tags(self) -> dict[str, str] | None:
        """Answer the bucket's tags; None where there is no bucket."""
        try:
            return tags_of({"Tags": throttled(self.s3.get_bucket_tagging, Bucket=self.bucket)["TagSet"]})
        except ClientError as error:
            if error_code(error) == "NoSuchTagSet":
                return {}
            if error_code(error) in GONE:
                return None
            raise

    def _owns(self, part: dict[str, Any]) -> bool:
        return tags_of(part).get(DEPLOYMENT_TAG) == self.deployment

    def _check(self, kind: str, part: dict[str, Any]) -> None:
        if not self._owns(part):
            raise ForeignError(
                f"the account has a {kind} of that name already, which is not of the deployment {self.deployment}\n"
                "Fix: choose another `deployment`, or delete it"
            )

    def _change(self, what: str, call: Callable[..., Any], **request: Any) -> None:
        self.changes.append(what)
        if not self.check_mode:
            throttled(call, **request)


def _find(call: Callable[..., Any], **request: Any) -> dict[str, Any] | None:
    try:
        return dict(throttled(call, **request))
    except ClientError as error:
        if error_code(error) in GONE:
            return None
        raise
