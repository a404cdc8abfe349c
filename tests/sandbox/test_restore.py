"""Backups by hand, and what is made of them: snapshots with their tags, and volumes in the place of others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from support.environment import ROOT
from support.place import DEPLOYMENT, OURS, REGION, Place, opened

HOMES = {"dstk:deployment": DEPLOYMENT, "dstk:homes": "ada", "dstk:placement": "dedicated", "dstk:seat:01": "ada 0a"}


class Homes(Place):
    """A host of a deployment that has its homes on a volume of their own."""

    def made(self, kind: str, tags: dict[str, str]) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]

    def make(self) -> tuple[str, str]:
        """A host that runs, and its volume."""
        image = self.client.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
        tags = self.made("instance", {"dstk:deployment": DEPLOYMENT, "dstk:student": "ada"})
        launched = self.client.run_instances(
            ImageId=image, InstanceType="t3.medium", MinCount=1, MaxCount=1, TagSpecifications=tags
        )["Instances"][0]
        host, zone = str(launched["InstanceId"]), launched["Placement"]["AvailabilityZone"]
        self.client.get_waiter("instance_running").wait(InstanceIds=[host], WaiterConfig={"Delay": 1})
        volume = self.client.create_volume(AvailabilityZone=zone, Size=3, TagSpecifications=self.made("volume", HOMES))[
            "VolumeId"
        ]
        self.client.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
        self.client.attach_volume(VolumeId=volume, InstanceId=host, Device="/dev/sdf")
        return host, str(volume)

    def back_up(self, **variables: Any) -> str:
        return self.ensure("backup", "-e", json.dumps({"dstk_region": REGION, **variables}))

    def lend(self, host: str, state: str, **more: str) -> dict[str, Any]:
        """What the steps of restore_home.yml do on the controller."""
        given = {"deployment": DEPLOYMENT, "region": REGION, "state": state, "instance_id": host, **more}
        command = ["ansible", "localhost", "-m", "dstk_backups", "-a", json.dumps(given)]
        environment = {**self.environment, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout
        answer: dict[str, Any] = json.loads(done.stdout.partition("=>")[2])
        return answer

    def snapshots(self) -> list[str]:
        rows = self.client.describe_snapshots(OwnerIds=["self"], Filters=OURS)["Snapshots"]
        return [row["SnapshotId"] for row in sorted(rows, key=lambda row: row["StartTime"])]

    def volumes(self, **tags: str) -> list[dict[str, Any]]:
        """The deployment's volumes with these tags."""
        asked = [*OURS, *({"Name": f"tag:dstk:{key}", "Values": [value]} for key, value in tags.items())]
        rows: list[dict[str, Any]] = self.client.describe_volumes(Filters=asked)["Volumes"]
        return rows


def tags_of(row: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in row["Tags"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield Homes(found.folder, found.environment, found.ssh_port, found.client)


@pytest.fixture(scope="module")
def made(place: Homes) -> tuple[str, str]:
    return place.make()


def test_a_deployment_without_homes_is_told_what_mends_it(place: Homes) -> None:
    code, output = place.run("backup", "-e", "dstk_deployment=nobody")
    assert (code, "no volume with homes" in output, "Fix: " in output) == (2, True, True)


def test_a_backup_says_whose_homes_it_holds_and_until_when(place: Homes, made: tuple[str, str]) -> None:
    place.back_up()
    [row] = place.client.describe_snapshots(OwnerIds=["self"], Filters=OURS)["Snapshots"]
    tags = tags_of(row)
    assert (row["VolumeId"], row["State"], tags["dstk:kind"]) == (made[1], "completed", "backup")
    assert HOMES.items() <= tags.items()
    assert tags["dstk:expires"] > "2026"


def test_those_that_are_too_many_go_and_the_newest_stay(place: Homes, made: tuple[str, str]) -> None:
    first = place.snapshots()
    for _ in range(2):
        place.back_up(dstk_keep=2)
    assert (len(place.snapshots()), set(first) & set(place.snapshots())) == (2, set())


def test_a_snapshot_that_is_not_there_stops_no_host(place: Homes, made: tuple[str, str]) -> None:
    code, output = place.run("restore", "-e", "dstk_snapshot=snap-0123456789abcdef0")
    assert (code, "is no whole backup" in output, "Fix: " in output) == (2, True, True)
    assert place.instances()[0]["State"]["Name"] == "running"


def test_a_host_has_a_volume_of_a_backup_for_a_while(place: Homes, made: tuple[str, str]) -> None:
    host, own = made
    lent = place.lend(host, "lent")["volume"]
    place.lend(host, "attached", volume=lent)
    [row] = place.client.describe_volumes(VolumeIds=[lent])["Volumes"]
    assert [(item["InstanceId"], item["Device"]) for item in row["Attachments"]] == [(host, "/dev/sdp")]
    place.lend(host, "returned")
    assert [row["VolumeId"] for row in place.volumes()] == [own]


def test_a_volume_of_the_snapshot_takes_the_place_of_the_one_of_now_which_is_kept(
    place: Homes, made: tuple[str, str]
) -> None:
    host, before = made
    place.ensure("restore")
    [now] = place.volumes(homes="ada")
    assert (now["SnapshotId"], now["Size"]) == (place.snapshots()[-1], 3)
    assert [(row["InstanceId"], row["Device"]) for row in now["Attachments"]] == [(host, "/dev/sdf")]
    assert HOMES.items() <= tags_of(now).items()
    [old] = [row for row in place.volumes() if row["VolumeId"] == before]
    assert (old["State"], "dstk:homes" in tags_of(old)) == ("available", False)
    assert tags_of(old)["dstk:replaced"].startswith("ada until 20")


def test_the_host_is_stopped_meanwhile(place: Homes, made: tuple[str, str]) -> None:
    assert [item["State"]["Name"] for item in place.instances()] == ["stopped"]


def test_where_nothing_is_left_a_volume_waits_for_its_host(place: Homes, made: tuple[str, str]) -> None:
    place.end_instances()
    place.ensure("restore", "-e", f"dstk_snapshot={place.snapshots()[0]}")
    [volume] = place.volumes()
    assert (volume["State"], volume["SnapshotId"]) == ("available", place.snapshots()[0])
    assert HOMES.items() <= tags_of(volume).items()
    assert "dstk:kind" not in tags_of(volume)


@pytest.mark.parametrize("final", [False, True])
def test_plain_ansible_deletes_homes_when_asked_and_makes_a_last_snapshot_unless_told_not_to(
    place: Homes, final: bool
) -> None:
    _, volume = place.make()
    before = set(place.snapshots())
    place.ensure("destroy", "-e", json.dumps({"dstk_region": REGION}))
    assert [row["VolumeId"] for row in place.volumes(homes="ada") if row["VolumeId"] == volume] == [volume]
    place.ensure(
        "destroy", "-e", json.dumps({"dstk_region": REGION, "dstk_delete_data": True, "dstk_final_backup": final})
    )
    assert place.volumes(homes="ada") == []
    # homes of earlier tests, kept until now, get theirs too
    assert bool(set(place.snapshots()) - before) == final
    assert before <= set(place.snapshots())


def test_plain_ansible_tells_which_backups_there_are_and_changes_nothing(place: Homes) -> None:
    told = place.back_up(dstk_list=True)
    assert all(snapshot in told for snapshot in place.snapshots())
    assert place.snapshots()
