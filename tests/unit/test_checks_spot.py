from __future__ import annotations

from typing import Any

import pytest

from dstk_runner.checks_quotas import find_vcpu_quota, judge_vcpus
from dstk_runner.checks_spot import check_spot, describe_spot_hosts
from dstk_runner.config import load_config
from dstk_runner.needs import Kind, find_need

pytestmark = pytest.mark.usefixtures("home")


class Quotas:
    """So many vCPUs, whichever is asked for."""

    def get_service_quota(self, **_: str) -> dict[str, Any]:
        return {"Quota": {"Value": 8.0}}


def make_host(key: str, *, spot: bool, state: str = "running", reason: str = "") -> dict[str, Any]:
    host = {"InstanceId": key, "InstanceType": "t3.medium", "State": {"Name": state}, "StateReason": {"Code": reason}}
    return {**host, "InstanceLifecycle": "spot"} if spot else host


def test_without_spot_nothing_is_said() -> None:
    assert check_spot(load_config({})) == []


def test_with_spot_its_price_its_risk_and_what_is_safe_are_said() -> None:
    [check] = check_spot(load_config({"spot": True, "instance_type": "t3.medium", "region": "us-west-2"}))
    said = ("0.0221", "47 % less", "0.0416", "two minutes' notice", "is lost", "files are safe", "`dstk up`")
    assert [word for word in said if word not in check.message] == []
    assert (check.status, check.fix.startswith("spot: false")) == ("warn", True)


def test_a_price_that_is_not_known_is_not_guessed() -> None:
    [check] = check_spot(load_config({"spot": True, "instance_type": "u-6tb1.56xlarge"}))
    assert "nobody here knows what a u-6tb1.56xlarge costs as spot" in check.message


@pytest.mark.parametrize(("asked", "stays"), [(True, "i-2"), (False, "i-1")])
def test_hosts_that_are_paid_for_otherwise_are_named(asked: bool, stays: str) -> None:
    mine = [make_host("i-1", spot=True), make_host("i-2", spot=False)]
    [check] = describe_spot_hosts(load_config({"spot": asked}), mine)
    assert (check.name, check.message.startswith(f"{stays} stay ")) == ("spot hosts", True)


def test_what_was_taken_back_is_named_and_not_as_one_that_stays() -> None:
    lost = make_host("i-1", spot=True, state="stopped", reason="Server.SpotInstanceShutdown")
    [check] = describe_spot_hosts(load_config({"spot": False}), [lost])
    assert (check.name, "i-1" in check.message, "dstk up" in check.fix) == ("taken back", True, True)


def test_one_that_somebody_stopped_was_not_taken_back() -> None:
    stopped = make_host("i-1", spot=True, state="stopped", reason="Client.UserInitiatedShutdown")
    assert describe_spot_hosts(load_config({"spot": True}), [stopped]) == []


def test_spot_and_on_demand_count_against_quotas_of_their_own() -> None:
    running = [make_host("i-1", spot=True), make_host("i-2", spot=False)]
    judged = {
        spot: judge_vcpus(Quotas(), find_vcpu_quota("t3.medium", spot=spot), 8, running, {"t3.medium": 2}, "t3.medium")
        for spot in (True, False)
    }
    assert {check.message for check in judged.values()} == {"2 of 8 vCPUs are in use, 8 more are asked for"}
    assert ("L-34B43A08" in judged[True].fix, "L-1216C47A" in judged[False].fix) == (True, True)


@pytest.mark.parametrize("name", ["t3.micro", "g5.xlarge", "p3.2xlarge", "x1.16xlarge"])
def test_a_family_has_one_quota_for_spot_and_another_on_demand(name: str) -> None:
    assert find_vcpu_quota(name) != find_vcpu_quota(name, spot=True) is not None


def test_what_is_started_counts_by_its_own_kind() -> None:
    config = load_config({"students": ["ada", "ben"], "instance_type": "t3.medium"})
    hosts = [make_host("i-1", spot=True, state="stopped"), make_host("i-2", spot=False, state="stopped")]
    for member, item in zip(config.members, hosts, strict=True):
        value = f"{member['student']} {member['identity']}"
        item["Tags"] = [{"Key": "dstk:placement", "Value": "dedicated"}, {"Key": "dstk:seat:01", "Value": value}]
    need = find_need(config, {"t3.medium": Kind("t3.medium", vcpus=2, memory=4096, burstable=True)}, hosts)
    assert (need.started, need.started_spot) == ({"t3.medium": 1}, {"t3.medium": 1})
