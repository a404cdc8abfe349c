"""What has been spent, from what AWS still knows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.plugins import load_plugin

spent = load_plugin("module_utils/dstk_spent")
facts = load_plugin("module_utils/dstk_spent_facts")

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PRICES = load_plugin("module_utils/dstk_prices").load_prices()
REGION = "us-west-2"


def host(state: str, *, born: int, started: int, stopped: int | None = None, **more: Any) -> dict[str, Any]:
    """An instance that was made, started and stopped so many hours ago."""
    reason = f"User initiated ({NOW - timedelta(hours=stopped):%Y-%m-%d %H:%M:%S} GMT)" if stopped is not None else ""
    return {
        "InstanceId": "i-1",
        "InstanceType": "t3.medium",
        "State": {"Name": state},
        "LaunchTime": NOW - timedelta(hours=started),
        "StateTransitionReason": reason,
        "BlockDeviceMappings": [{"Ebs": {"AttachTime": NOW - timedelta(hours=born)}}],
        **more,
    }


@pytest.mark.parametrize(
    ("instance", "least", "most"),
    [
        (host("running", born=100, started=4), 4, 100),
        (host("stopped", born=100, started=20, stopped=10), 10, 90),
        (host("running", born=100, started=4, stopped=30), 4, 100),
        # who stopped it and when AWS does not always tell
        (host("stopped", born=100, started=20), 0, 100),
    ],
)
def test_a_host_ran_at_least_since_its_last_start_and_at_most_since_it_was_made(
    instance: dict[str, Any], least: float, most: float
) -> None:
    assert spent.find_hours(facts.read_host(instance), NOW) == (least, most)


def know(*instances: dict[str, Any], keeps_address: bool = False, **more: list[dict[str, Any]]) -> dict[str, Any]:
    """What AWS knows, as the module answers it."""
    hosts = [{**facts.read_host(instance), "keeps_address": keeps_address} for instance in instances]
    return {"hosts": hosts, "volumes": [], "snapshots": [], **more}


def add_up(known: dict[str, Any]) -> list[tuple[float | None, float | None]]:
    """The least and the most of each."""
    # what a module answers passes through JSON
    through = json.loads(json.dumps(known))
    return [(item.at_least, item.at_most) for item in spent.add_up(through, PRICES, REGION, NOW)]


def ago(hours: int) -> str:
    return (NOW - timedelta(hours=hours)).isoformat()


def test_hosts_disks_and_snapshots_are_told_with_their_prices() -> None:
    volume = {"id": "vol-1", "size": 30, "type": "gp3", "made": ago(730)}
    snapshot = {"id": "snap-1", "size": 10, "made": ago(730)}
    known = know(host("running", born=100, started=10), volumes=[volume], snapshots=[snapshot])
    assert add_up(known) == [
        (0.42, 4.16),  # t3.medium, 0.0416 an hour
        (0.05, 0.5),  # its address, 0.005 an hour
        (2.4, 2.4),  # 30 GB for a month, 0.08 each
        (0, 0.5),  # a snapshot of at most 10 GB, 0.05 each
    ]


def test_an_address_that_is_kept_is_paid_for_while_its_host_is_stopped() -> None:
    _, address = add_up(know(host("stopped", born=100, started=20, stopped=10), keeps_address=True))
    assert address == (0.5, 0.5)


def test_a_spot_host_has_the_price_of_spot() -> None:
    first, _ = add_up(know(host("running", born=100, started=100, InstanceLifecycle="spot")))
    assert first[1] == 2.21


def test_another_kind_of_disk_has_no_price_that_is_known() -> None:
    volume = {"id": "vol-1", "size": 30, "type": "io2", "made": NOW.isoformat()}
    assert add_up(know(volumes=[volume])) == [(None, None)]
    found = spent.sum_up(know(volumes=[volume]), PRICES, REGION, NOW, billed=None)
    assert any("vol-1, 30 GB io2" in note for note in found.notes)


def test_the_sum_is_of_all_since_the_first_was_made() -> None:
    known = know(host("running", born=100, started=10), host("stopped", born=50, started=20, stopped=10))
    found = spent.sum_up(known, PRICES, REGION, NOW, billed=3.21)
    assert (found.since, found.billed) == ("2026-11-21", 3.21)
    assert (found.at_least, found.at_most) == (0.94, 6.52)
    assert not any("Cost Explorer" in note for note in found.notes)


@pytest.mark.parametrize(
    ("refusal", "said"), [("AccessDeniedException", "AccessDeniedException"), ("", "cost allocation tag")]
)
def test_where_cost_explorer_has_no_sum_it_is_said_why(refusal: str, said: str) -> None:
    [note] = spent.sum_up(know(), PRICES, REGION, NOW, billed=None, refusal=refusal).notes
    assert said in note


class Explorer:
    """Cost Explorer, which counts these amounts, and what it was asked."""

    def __init__(self, *amounts: str) -> None:
        self.amounts = amounts
        self.asked: dict[str, Any] = {}

    def get_cost_and_usage(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"ResultsByTime": [{"Total": {"UnblendedCost": {"Amount": amount}}} for amount in self.amounts]}


@pytest.mark.parametrize(("amounts", "usd"), [(("1.234", "2"), 3.23), (("0", "0"), None), ((), None)])
def test_cost_explorer_is_asked_by_the_tag_and_what_it_does_not_count_is_no_zero(
    amounts: tuple[str, ...], usd: float | None
) -> None:
    explorer = Explorer(*amounts)
    assert facts.ask_cost_explorer(explorer, "csx450", NOW - timedelta(days=1000), NOW) == usd
    assert explorer.asked["Filter"]["Tags"]["Values"] == ["csx450"]
    # it answers for 13 months
    assert explorer.asked["TimePeriod"] == {"Start": "2025-10-31", "End": "2026-11-26"}


def test_ec2_is_asked_by_the_tag_alone(aws: Any) -> None:
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}]
    mine = aws.create_volume(
        AvailabilityZone="us-west-2a",
        Size=8,
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )["VolumeId"]
    aws.create_volume(AvailabilityZone="us-west-2a", Size=8)
    known = facts.ask(aws, "csx450")
    assert [(volume["id"], volume["size"], volume["type"]) for volume in known["volumes"]] == [(mine, 8, "gp3")]
    assert (known["hosts"], known["snapshots"]) == ([], [])
