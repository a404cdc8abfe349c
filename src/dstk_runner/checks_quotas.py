"""The quotas of an AWS account: how much there is, and how much is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dstk_runner.results import Check

__all__ = ["find_quota", "find_vcpu_quota", "judge_addresses", "judge_vcpus", "unknown_quota"]

# Running instances are counted in vCPUs, a quota a family, and spot instances by themselves:
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html
_STANDARD = "L-1216C47A"
_FAMILIES = {**dict.fromkeys("acdhimrtz", _STANDARD), "g": "L-DB2E81BA", "p": "L-417A185B", "x": "L-7295265B"}
_SPOT_STANDARD = "L-34B43A08"
_SPOT_FAMILIES = {
    **dict.fromkeys("acdhimrtz", _SPOT_STANDARD),
    "g": "L-3819A6DF",
    "p": "L-7212CCBC",
    "x": "L-E3A00192",
}
_ADDRESSES = "L-0263D0A3"
_OTHERS = ("inf", "trn", "dl", "hpc", "mac")


def find_vcpu_quota(instance_type: str, *, spot: bool = False) -> str | None:
    """Return the code of the quota that a type counts against; None where dstk does not know it."""
    families = _SPOT_FAMILIES if spot else _FAMILIES
    return None if instance_type.startswith(_OTHERS) else families.get(instance_type[0])


def judge_vcpus(
    quotas: Any,
    code: str | None,
    more: int,
    running: Sequence[Mapping[str, Any]],
    vcpus: Mapping[str, int],
    instance_type: str,
) -> Check:
    """Say whether so many more vCPUs fit beside what runs.

    Args:
        quotas: a client of Service Quotas.
        code: the quota's; None where it is not known.
        more: vCPUs that are still to be started.
        running: the account's running instances.
        vcpus: of a type, for instances that do not say theirs.
        instance_type: the type that the request names.
    """
    if code is None:
        message = f"dstk does not know the quota of {instance_type}"
        return Check(name="vcpu quota", status="skipped", message=message)
    limit = find_quota(quotas, "ec2", code)
    if limit is None:
        return unknown_quota("vcpu quota", "ec2", code)
    used = sum(_count(item, vcpus) for item in running if _find_own_quota(item) == code)
    message = f"{used} of {limit} vCPUs are in use, {more} more are asked for"
    if not more or used + more <= limit:
        return Check(name="vcpu quota", status="ok", message=message)
    fix = f"choose a smaller instance_type, or ask for {used + more} in Service Quotas: ec2, {code}"
    return Check(name="vcpu quota", status="fail", message=message, fix=fix)


def _find_own_quota(item: Mapping[str, Any]) -> str | None:
    return find_vcpu_quota(item["InstanceType"], spot=item.get("InstanceLifecycle") == "spot")


def _count(item: Mapping[str, Any], vcpus: Mapping[str, int]) -> int:
    cpu = item.get("CpuOptions") or {}
    counted = int(cpu.get("CoreCount", 0)) * int(cpu.get("ThreadsPerCore", 0))
    return counted or vcpus.get(item["InstanceType"], max(vcpus.values(), default=0))


def judge_addresses(quotas: Any, used: int, more: int) -> Check:
    """Say whether so many more Elastic IPs may be had; without `elastic_ip` an address comes with each instance."""
    limit = find_quota(quotas, "ec2", _ADDRESSES)
    if limit is None and more:
        return unknown_quota("address quota", "ec2", _ADDRESSES)
    known = f"{used} of {limit}" if limit is not None else str(used)
    message = f"{known} Elastic IPs are in use, {more} more are asked for"
    if not more or limit is None or used + more <= limit:
        return Check(name="address quota", status="ok", message=message)
    fix = f"elastic_ip: false, fewer hosts, or ask for {used + more} in Service Quotas: ec2, {_ADDRESSES}"
    return Check(name="address quota", status="fail", message=message, fix=fix)


def find_quota(quotas: Any, service: str, code: str) -> int | None:
    """Return a quota of the account; None where it may not be asked."""
    try:
        return int(quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except Exception:
        return None


def unknown_quota(name: str, service: str, code: str) -> Check:
    """Say that a quota may not be asked."""
    message = f"Service Quotas does not tell {service} {code}"
    fix = "ask for the permission servicequotas:GetServiceQuota, or go on without knowing"
    return Check(name=name, status="warn", message=message, fix=fix)
