"""Checks of the AWS account: who is asking, what is allowed, and whether the request fits into the quotas."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dstk_runner.aws import ask_all, find_code, make_client
from dstk_runner.checks_class import check_class
from dstk_runner.checks_quotas import find_quota, unknown_quota
from dstk_runner.config import Config
from dstk_runner.project import load_names
from dstk_runner.remedies import explain
from dstk_runner.resources import TAG
from dstk_runner.results import Check

__all__ = ["check_account"]

# The region of each partition that is always enabled, and may therefore be asked about the others.
_HOMES = {"aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}

_VPC_QUOTA = "L-F678F1CE"


def check_account(config: Config) -> list[Check]:
    """Ask who the caller is and whether the region is there; if so, the rest, all at once."""
    first = ask_all([partial(_check_credentials, config), partial(_check_region, config)])
    if any(check.status == "fail" for check in first):
        names = ("permissions", "instance_type", "vcpu quota", "vpc", "address quota")
        return [*first, *(Check(name=name, status="skipped", message="AWS cannot be asked") for name in names)]
    try:
        client = make_client("ec2", config.region)
        quotas = make_client("service-quotas", config.region)
    except Exception as error:
        return [*first, _unasked("ec2", error)]
    rest: list[Callable[[], list[Check]]] = [
        partial(_guarded, "permissions", _check_permissions, client, config.deployment),
        partial(_guarded, "instance_type", check_class, client, quotas, config),
        partial(_guarded, "vpc", _check_vpc, client, quotas, config),
        partial(_guarded, "names", _check_names, config),
    ]
    return [*first, *(check for checks in ask_all(rest) for check in checks)]


def _guarded(name: str, check: Callable[..., list[Check]], *arguments: Any) -> list[Check]:
    try:
        return check(*arguments)
    except Exception as error:
        return [_unasked(name, error)]


def _unasked(name: str, error: Exception) -> Check:
    problem = explain(error)
    return Check(name=name, status="fail", message=problem.message, fix=problem.fix)


def _find_home(region: str) -> str:
    import boto3

    try:
        return _HOMES.get(str(boto3.session.Session().get_partition_for_region(region)), "us-east-1")
    except Exception:
        return "us-east-1"


def _check_credentials(config: Config) -> Check:
    try:
        arn = make_client("sts", _find_home(config.region)).get_caller_identity()["Arn"]
    except Exception as error:
        problem = explain(error)
        fix = problem.fix or "aws configure (or `aws sso login`), then `dstk doctor`"
        return Check(name="credentials", status="fail", message=problem.message, fix=fix)
    return Check(name="credentials", status="ok", message=str(arn))


def _check_region(config: Config) -> Check:
    try:
        regions = make_client("ec2", _find_home(config.region)).describe_regions(AllRegions=True)["Regions"]
    except Exception as error:
        return _unasked("region", error)
    status = {row["RegionName"]: row.get("OptInStatus", "opt-in-not-required") for row in regions}
    if config.region not in status:
        near = difflib.get_close_matches(config.region, status, n=1)
        fix = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(status))}"
        message = f"there is no region {config.region}"
        return Check(name="region", status="fail", message=message, fix=fix, request=True)
    if status[config.region] == "not-opted-in":
        message = f"your account has not enabled {config.region}"
        fix = f"aws account enable-region --region-name {config.region}, or choose another region"
        return Check(name="region", status="fail", message=message, fix=fix, request=True)
    return Check(name="region", status="ok", message=config.region)


def _check_permissions(client: Any, deployment: str) -> list[Check]:
    """Dry-run what makes things: AWS says whether it would be allowed; its other complaints do not count.

    All bears the tag, as it will, for a policy may ask for that. What changes and removes things cannot be tried: a
    policy may allow that for what bears the tag only, and nothing does yet.
    DryRun: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
    """
    trials: dict[str, tuple[str, Mapping[str, Any]]] = {
        "create_vpc": ("vpc", {"CidrBlock": "10.77.0.0/16"}),
        "create_internet_gateway": ("internet-gateway", {}),
        "create_security_group": ("security-group", {"GroupName": "dstk-dry-run", "Description": "dry run"}),
        "import_key_pair": ("key-pair", {"KeyName": "dstk-dry-run", "PublicKeyMaterial": b"ssh-ed25519 AAAA"}),
        "run_instances": ("instance", {"ImageId": "ami-00000000000000000", "MinCount": 1, "MaxCount": 1}),
    }
    denied = ask_all(
        [
            partial(_is_denied, client, call, {**options, "TagSpecifications": _make_tags(kind, deployment)})
            for call, (kind, options) in trials.items()
        ]
    )
    names = [call.title().replace("_", "") for call, refused in zip(trials, denied, strict=True) if refused]
    if names:
        message = f"you may not {', '.join(f'ec2:{name}' for name in names)}"
        fix = "give your administrator what `dstk iam-policy` prints: it is all that dstk needs"
        return [Check(name="permissions", status="fail", message=message, fix=fix)]
    return [Check(name="permissions", status="ok", message="instances, networks and key pairs may be made")]


def _make_tags(kind: str, deployment: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": TAG, "Value": deployment}]}]


def _is_denied(client: Any, call: str, options: Mapping[str, Any]) -> bool:
    try:
        getattr(client, call)(DryRun=True, **options)
    except Exception as error:
        return find_code(error) in ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException")
    return False


def _check_vpc(client: Any, quotas: Any, config: Config) -> list[Check]:
    vpcs = client.describe_vpcs()["Vpcs"]
    if config.vpc_id:
        if any(vpc["VpcId"] == config.vpc_id for vpc in vpcs):
            return [Check(name="vpc", status="ok", message=config.vpc_id)]
        fix = f"one of {', '.join(vpc['VpcId'] for vpc in vpcs) or 'none'}; leave vpc_id out for a VPC of dstk's own"
        message = f"{config.region} has no {config.vpc_id}"
        return [Check(name="vpc", status="fail", message=message, fix=fix, request=True)]
    if any({"Key": TAG, "Value": config.deployment} in vpc.get("Tags", ()) for vpc in vpcs):
        return [Check(name="vpc", status="ok", message=f"the VPC of {config.deployment} is there")]
    limit = find_quota(quotas, "vpc", _VPC_QUOTA)
    if limit is None:
        return [unknown_quota("vpc", "vpc", _VPC_QUOTA)]
    message = f"{len(vpcs)} of {limit} VPCs are in use, 1 more is asked for"
    if len(vpcs) < limit:
        return [Check(name="vpc", status="ok", message=message)]
    return [Check(name="vpc", status="fail", message=message, fix="name an existing one with vpc_id, or delete one")]


def _check_names(config: Config) -> list[Check]:
    if not config.domain:
        return []
    pages = make_client("route53", config.region).get_paginator("list_hosted_zones").paginate()
    zone = load_names().find_zone((zone for page in pages for zone in page["HostedZones"]), config.domain)
    if zone is None:
        message = f"the account has no public zone of {config.domain}, so that somebody else has to make the names"
        fix = "`dstk up` says which records; until they are there, certificates are the deployment's own"
        return [Check(name="names", status="warn", message=message, fix=fix)]
    message = f"{config.domain} lies in the zone {zone['Name'].rstrip('.')}"
    return [Check(name="names", status="ok", message=message)]
