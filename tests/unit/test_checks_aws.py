from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from dstk_runner import sandbox
from dstk_runner.checks import find_mistakes, run_checks
from dstk_runner.checks_aws import check_account
from dstk_runner.config import load_config
from dstk_runner.results import Check

pytestmark = pytest.mark.usefixtures("account")


def ask(**values: Any) -> dict[str, Check]:
    return {check.name: check for check in check_account(load_config(values))}


def statuses(checks: dict[str, Check]) -> set[str]:
    return {check.status for check in checks.values()}


def test_a_modest_request_is_fine() -> None:
    checks = ask(instance_type="m7i-flex.large", region="eu-central-1")
    assert statuses(checks) == {"ok"}


def test_the_guides_type_is_warned_of() -> None:
    checks = ask()
    assert {name for name, check in checks.items() if check.status == "warn"} == {"memory", "cpu"}
    assert "t3.medium" in checks["memory"].fix


def test_the_checks_change_nothing() -> None:
    ec2 = boto3.client("ec2", "eu-west-3")
    before = ec2.describe_vpcs()["Vpcs"]
    ask(region="eu-west-3")
    assert ec2.describe_vpcs()["Vpcs"] == before


def test_unknown_credentials_fail_and_nothing_more_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    checks = ask()
    assert checks["credentials"].status == "fail"
    assert "aws configure" in checks["credentials"].fix
    assert checks["vcpu quota"].status == "skipped"


def test_a_region_that_does_not_exist_is_a_wrong_request() -> None:
    region = ask(region="us-west-9")["region"]
    assert (region.status, region.request, region.fix) == ("fail", True, "did you mean us-west-2?")


def test_a_region_that_is_not_enabled_is_a_wrong_request() -> None:
    region = ask(region="af-south-1")["region"]
    assert (region.request, "enable-region" in region.fix) == (True, True)


def test_a_type_that_the_region_lacks_is_a_wrong_request() -> None:
    found = ask(instance_type="t9.huge")["instance_type"]
    assert (found.status, found.request) == ("fail", True)


def test_a_type_beyond_the_quota_names_the_quota() -> None:
    found = ask(instance_type="m7i.16xlarge")["vcpu quota"]
    assert (found.status, "L-1216C47A" in found.fix) == ("fail", True)


def test_an_existing_vpc_has_to_exist() -> None:
    found = ask(vpc_id="vpc-00000000")["vpc"]
    assert (found.status, found.request) == ("fail", True)


def test_a_full_set_of_vpcs_is_noticed() -> None:
    ec2 = boto3.client("ec2", "eu-north-1")
    while len(ec2.describe_vpcs()["Vpcs"]) < 5:
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
    found = ask(region="eu-north-1")["vpc"]
    assert (found.status, "vpc_id" in found.fix) == ("fail", True)


def test_a_domain_without_a_zone_in_the_account_is_warned_of() -> None:
    route53 = boto3.client("route53", "us-west-2")
    route53.create_hosted_zone(Name="example.org", CallerReference="public")
    private = {"Name": "in.example.net", "VPC": {"VPCRegion": "us-west-2", "VPCId": "vpc-1"}}
    # AWS sets the flag by itself
    route53.create_hosted_zone(CallerReference="private", HostedZoneConfig={"PrivateZone": True}, **private)
    with_zone, without = ask(domain="nb.example.org")["names"], ask(domain="nb.in.example.net")["names"]
    assert (with_zone.status, "zone example.org" in with_zone.message) == ("ok", True)
    assert (without.status, "dstk up" in without.fix) == ("warn", True)
    assert "names" not in ask()


def test_a_permission_that_is_missing_is_named(api_folder: Path) -> None:
    sandbox.inject("CreateVpc", "unauthorized", directory=api_folder)
    found = ask()["permissions"]
    assert (found.status, "ec2:CreateVpc" in found.message) == ("fail", True)


def test_quotas_that_may_not_be_read_are_only_warned_of(api_folder: Path) -> None:
    sandbox.inject("GetServiceQuota", "unauthorized", count=3, directory=api_folder)
    found = ask(instance_type="m7i-flex.large")
    sandbox.clear_faults(directory=api_folder)
    assert found["vcpu quota"].status == "warn"


def test_all_wrong_parts_of_a_request_are_one_error() -> None:
    error = find_mistakes(run_checks(load_config({"instance_type": "t9.huge", "ssh_key": "/nowhere"})))
    assert error is not None
    assert {mistake.field for mistake in error.mistakes} == {"instance_type", "ssh_key"}


def test_a_door_open_to_the_world_is_warned_of() -> None:
    checks = {
        check.name: check for check in run_checks(load_config({"allowed_cidrs": ["::/0"], "allow_wide_cidrs": True}))
    }
    assert checks["allowed_cidrs"].status == "warn"


@pytest.mark.parametrize(("tls", "is_told"), [("auto", True), ("private", False)])
def test_that_port_80_is_open_to_all_is_told_where_it_is(
    tls: str, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSTK_TLS", tls)
    assert ("port 80" in {check.name for check in run_checks(load_config())}) is is_told


@pytest.mark.parametrize("key", ["sudo", "terminals"])
def test_a_wall_that_is_thinner_is_warned_of(key: str) -> None:
    checks = {check.name: check for check in run_checks(load_config({key: True}))}
    assert checks[key].status == "warn"


def test_the_doctor_asks_more_than_up_does() -> None:
    config = load_config({})
    names = [{check.name for check in run_checks(config, everything=every)} for every in (False, True)]
    assert names[1] - names[0] == {"docker", "https out", "websockets out"}


def test_elastic_ips_are_counted_before_any_is_asked_for() -> None:
    six = [f"student{number}" for number in range(6)]
    found = ask(students=six, elastic_ip=True, region="eu-west-3", instance_type="t3.micro")["address quota"]
    assert (found.status, "L-0263D0A3" in found.fix) == ("fail", True)
    assert ask(students=six, region="eu-west-3", instance_type="t3.micro")["address quota"].status == "ok"
