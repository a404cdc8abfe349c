"""Last snapshots expire: AWS itself deletes each after its day, by a role that may do nothing else."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from support.place import DEPLOYMENT, OURS, REGION, Place, opened

GROUP = f"dstk-{DEPLOYMENT}_expiry"
DAYS = 30


class Left(Place):
    """What is left of a deployment whose hosts are gone."""

    def make_homes(self, student: str) -> str:
        """A volume with homes, which no host has."""
        tags = {"dstk:deployment": DEPLOYMENT, "dstk:homes": student}
        labels = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self.client.create_volume(
            AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": labels}]
        )
        return str(made["VolumeId"])

    def destroy(self, **variables: Any) -> str:
        return self.ensure("destroy", "-e", json.dumps({"dstk_region": REGION, **variables}))

    def snapshots(self) -> dict[str, str]:
        """The kinds of the snapshots that are left."""
        rows = self.client.describe_snapshots(OwnerIds=["self"], Filters=OURS)["Snapshots"]
        tags = {row["SnapshotId"]: {tag["Key"]: tag["Value"] for tag in row["Tags"]} for row in rows}
        return {key: found["dstk:kind"] for key, found in tags.items()}

    def schedules(self) -> list[str]:
        return [row["Name"] for row in self.make_client("scheduler").list_schedules()["Schedules"]]

    def turn(self, days: int) -> list[dict[str, str]]:
        """Let it be noon so many days from now."""
        day = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=days)
        noon = datetime.datetime.combine(day, datetime.time(12), tzinfo=datetime.UTC)
        return sandbox.turn_clock(noon, directory=self.folder)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield Left(found.folder, found.environment, found.ssh_port, found.client)


@pytest.fixture(scope="module")
def deleted(left: Left) -> str:
    """The last snapshot of homes that were backed up before, and deleted."""
    left.make_homes("ada")
    left.ensure("backup", "-e", f"dstk_region={REGION}")
    left.destroy(dstk_delete_data=True)
    return next(key for key, kind in left.snapshots().items() if kind == "final")


def test_the_day_of_a_last_snapshot_is_kept_by_aws(left: Left, deleted: str) -> None:
    scheduler = left.make_client("scheduler")
    found = scheduler.get_schedule(GroupName=GROUP, Name=deleted)
    after = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=DAYS + 1)
    assert found["ScheduleExpression"] == f"at({after.isoformat()}T00:00:00)"
    assert json.loads(found["Target"]["Input"]) == {"SnapshotId": deleted}
    assert left.schedules() == [deleted]


def test_a_second_destroy_changes_nothing(left: Left, deleted: str) -> None:
    assert "changed=0 " in left.destroy()


def test_its_role_may_delete_no_other_snapshot(left: Left, deleted: str) -> None:
    backup = next(key for key, kind in left.snapshots().items() if kind == "backup")
    scheduler = left.make_client("scheduler")
    target = scheduler.get_schedule(GroupName=GROUP, Name=deleted)["Target"]
    moment = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=3)
    scheduler.create_schedule(
        Name="stray",
        GroupName=GROUP,
        ScheduleExpression=f"at({moment.isoformat()}T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={**target, "Input": json.dumps({"SnapshotId": backup})},
    )
    told = {row["schedule"]: row["error"] for row in left.turn(3)}
    assert "UnauthorizedOperation" in told["stray"]
    assert backup in left.snapshots()
    # a schedule that is of no last snapshot does not stay
    left.destroy()
    assert left.schedules() == [deleted]


def test_on_its_last_day_it_is_there_and_afterwards_it_is_not(left: Left, deleted: str) -> None:
    assert (left.turn(DAYS), deleted in left.snapshots()) == ([], True)
    [told] = left.turn(DAYS + 1)
    assert (told["schedule"], told["action"], told["error"]) == (deleted, "deleteSnapshot", "")
    assert set(left.snapshots().values()) == {"backup"}
    assert left.schedules() == []


def test_when_all_are_gone_neither_group_nor_role_is_left(left: Left, deleted: str) -> None:
    left.destroy()
    groups = left.make_client("scheduler").list_schedule_groups()["ScheduleGroups"]
    assert ([group["Name"] for group in groups], left.make_client("iam").list_roles()["Roles"]) == (["default"], [])


def test_who_wants_no_last_snapshot_leaves_nothing_behind(left: Left, deleted: str) -> None:
    left.make_homes("bob")
    left.destroy(dstk_delete_data=True, dstk_final_backup=False)
    assert set(left.snapshots().values()) == {"backup"}
    assert left.schedules() == []
