"""What has been spent, from what AWS still knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dstk_runner.project import load_prices
from dstk_runner.spending import add_up, find_hours

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
PRICES = load_prices().load_prices()
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
    assert find_hours(instance, NOW) == (least, most)


def test_hosts_disks_and_snapshots_are_told_with_their_prices() -> None:
    volume = {"VolumeId": "vol-1", "Size": 30, "VolumeType": "gp3", "CreateTime": NOW - timedelta(hours=730)}
    snapshot = {"SnapshotId": "snap-1", "VolumeSize": 10, "StartTime": NOW - timedelta(hours=730)}
    found = list(add_up([host("running", born=100, started=10)], [volume], [snapshot], PRICES, REGION, NOW))
    assert [(item.at_least, item.at_most) for item in found] == [
        (0.42, 4.16),  # t3.medium, 0.0416 an hour
        (0.05, 0.5),  # its address, 0.005 an hour
        (2.4, 2.4),  # 30 GB for a month, 0.08 each
        (0, 0.5),  # a snapshot of at most 10 GB, 0.05 each
    ]


def test_an_address_that_is_kept_is_paid_for_while_its_host_is_stopped() -> None:
    stopped = host("stopped", born=100, started=20, stopped=10)
    _, address = add_up([stopped], [], [], PRICES, REGION, NOW, kept={"i-1"})
    assert (address.at_least, address.at_most) == (0.5, 0.5)


def test_a_spot_host_has_the_price_of_spot() -> None:
    spot = host("running", born=100, started=100, InstanceLifecycle="spot")
    first = next(add_up([spot], [], [], PRICES, REGION, NOW))
    assert first.at_most == 2.21


def test_another_kind_of_disk_has_no_price_that_is_known() -> None:
    volume = {"VolumeId": "vol-1", "Size": 30, "VolumeType": "io2", "CreateTime": NOW}
    [found] = add_up([], [volume], [], PRICES, REGION, NOW)
    assert (found.at_least, found.at_most) == (None, None)
