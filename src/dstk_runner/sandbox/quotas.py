"""Service quotas: how much of what an account may have, and the service that answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dstk_runner.sandbox.wire import Call, Refusal


@dataclass(frozen=True)
class Quota:
    """A quota as AWS publishes it; `default` is what the sandbox grants."""

    service_code: str
    code: str
    name: str
    default: float
    adjustable: bool = True


VCPUS, SPOT_VCPUS, ADDRESSES, VPCS = "L-1216C47A", "L-34B43A08", "L-0263D0A3", "L-F678F1CE"

QUOTAS = (
    Quota("ec2", VCPUS, "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 32.0),
    Quota("ec2", SPOT_VCPUS, "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 32.0),
    Quota("ec2", ADDRESSES, "EC2-VPC Elastic IPs", 5.0),
    Quota("vpc", VPCS, "VPCs per Region", 5.0),
    Quota("vpc", "L-407747CB", "Subnets per VPC", 200.0),
    Quota("vpc", "L-A4707A72", "Internet gateways per Region", 5.0),
    Quota("vpc", "L-E79EC296", "VPC security groups per Region", 2500.0),
    Quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60.0),
)
SERVICES = {"ec2": "Amazon Elastic Compute Cloud (Amazon EC2)", "vpc": "Amazon Virtual Private Cloud (Amazon VPC)"}

#: What has been granted beyond, or taken from, the defaults; by the quota's code.
granted: dict[str, float] = {}


def find_quota(code: str) -> float:
    """Return the value in force for a quota's code."""
    return granted.get(code, next(quota.default for quota in QUOTAS if quota.code == code))


def ensure_quota(code: str, value: float) -> None:
    """Grant this much of a quota from now on."""
    if code not in {quota.code for quota in QUOTAS}:
        raise Refusal("NoSuchResourceException", f"No quota of the sandbox has the code {code}.")
    granted[code] = value


def answer_quotas(call: Call) -> Mapping[str, Any]:
    """Answer a call to the Service Quotas API."""
    service_code = call.params.get("ServiceCode", "")
    if service_code not in SERVICES and call.action != "ListServices":
        raise Refusal("NoSuchResourceException", f"The request failed because the service {service_code} is unknown.")
    quotas = [quota for quota in QUOTAS if quota.service_code == service_code]
    match call.action:
        case "ListServiceQuotas":
            return {"Quotas": [_describe(call, quota, find_quota(quota.code)) for quota in quotas]}
        case "ListAWSDefaultServiceQuotas":
            return {"Quotas": [_describe(call, quota, quota.default) for quota in quotas]}
        case "ListServices":
            return {"Services": [{"ServiceCode": code, "ServiceName": name} for code, name in SERVICES.items()]}
        case "GetServiceQuota" | "GetAWSDefaultServiceQuota":
            for quota in quotas:
                if quota.code == call.params.get("QuotaCode"):
                    value = find_quota(quota.code) if call.action == "GetServiceQuota" else quota.default
                    return {"Quota": _describe(call, quota, value)}
            raise Refusal("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    raise Refusal("UnknownOperationException", f"The sandbox does not know the operation {call.action}.")


def _describe(call: Call, quota: Quota, value: float) -> Mapping[str, Any]:
    return {
        "ServiceCode": quota.service_code,
        "ServiceName": SERVICES[quota.service_code],
        "QuotaArn": f"arn:aws:servicequotas:{call.region}:123456789012:{quota.service_code}/{quota.code}",
        "QuotaCode": quota.code,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": quota.adjustable,
        "GlobalQuota": False,
    }
