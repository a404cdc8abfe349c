"""AWS itself makes backups: the policy and its role, what they make when it is time, and what is left when they go."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.life import make_user
from support.place import DEPLOYMENT, OURS, REGION, Place, opened

NIGHTLY = {"at": "03:00", "keep": 2}


class Homes(Place):
    """A deployment whose homes are on volumes of their own."""

    def options(self, **schedule: Any) -> list[str]:
        """The options that name a dstk.yml with this schedule of backups."""
        path = self.folder / "dstk.yml"
        path.write_text(json.dumps(self.request(**schedule)))
        return ["-e", f"dstk_config={path}"]

    def request(self, **schedule: Any) -> dict[str, Any]:
        return {"deployment": DEPLOYMENT, "students": ["ada"], "schedule_backup": schedule}

    def policies(self) -> list[dict[str, Any]]:
        """The policies of Data Lifecycle Manager, in full."""
        dlm = self.make_client("dlm")
        rows = dlm.get_lifecycle_policies()["Policies"]
        return [dlm.get_lifecycle_policy(PolicyId=row["PolicyId"])["Policy"] for row in rows]

    def snapshots(self, **tags: str) -> list[dict[str, Any]]:
        """The deployment's snapshots with these tags."""
        asked = [*OURS, *({"Name": f"tag:dstk:{key}", "Values": [value]} for key, value in tags.items())]
        rows: list[dict[str, Any]] = self.client.describe_snapshots(OwnerIds=["self"], Filters=asked)["Snapshots"]
        return rows

    def turn(self, day: int) -> list[dict[str, str]]:
        """Let it be four in the morning of a day of January 2099."""
        moment = datetime.datetime(2099, 1, day, 4, tzinfo=datetime.UTC)
        told = sandbox.turn_clock(moment, directory=self.folder)
        return [row for row in told if row["action"] == "createSnapshot"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield Homes(found.folder, found.environment, found.ssh_port, found.client)


@pytest.fixture(scope="module")
def volume(place: Homes) -> str:
    """A volume with homes, which no host has."""
    tags = [{"Key": "dstk:deployment", "Value": DEPLOYMENT}, {"Key": "dstk:homes", "Value": "eve"}]
    made = place.client.create_volume(
        AvailabilityZone="us-west-2a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": tags}]
    )
    return str(made["VolumeId"])


@pytest.fixture(scope="module")
def made(place: Homes, volume: str) -> Homes:
    """A deployment with backups every night, by somebody who may do just what the policy says."""
    user = make_user(place, make_policy(load_config(place.request(**NIGHTLY))), "ada")
    careful = Homes(place.folder, user, place.ssh_port, place.client)
    careful.ensure("provision", *place.options(**NIGHTLY))
    return careful


def test_there_is_one_policy_for_the_homes_alone(made: Homes, place: Homes) -> None:
    [policy] = place.policies()
    assert policy["PolicyDetails"]["TargetTags"] == [{"Key": "dstk:backup", "Value": DEPLOYMENT}]
    tagged = place.client.describe_volumes(Filters=[{"Name": "tag:dstk:backup", "Values": [DEPLOYMENT]}])["Volumes"]
    assert all("dstk:homes" in {tag["Key"] for tag in row["Tags"]} for row in tagged)
    assert tagged


def test_a_second_run_changes_no_policy(made: Homes) -> None:
    assert "changed=0 " in made.ensure("provision", *made.options(**NIGHTLY))


def test_aws_makes_a_snapshot_of_each_home_at_night(made: Homes, volume: str) -> None:
    [told] = made.turn(5)
    assert (told["at"], told["error"]) == ("2099-01-05T03:00:00+00:00", "")
    [snapshot] = made.snapshots(homes="eve", kind="backup")
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert (snapshot["VolumeId"], tags["dstk:deployment"]) == (volume, DEPLOYMENT)


def test_only_the_newest_are_kept(made: Homes) -> None:
    first = made.snapshots(homes="eve")[0]["SnapshotId"]
    for day in (6, 7):
        made.turn(day)
    assert first not in [row["SnapshotId"] for row in made.snapshots(homes="eve")]
    assert len(made.snapshots(homes="eve")) == NIGHTLY["keep"]


def test_the_role_deletes_only_what_is_the_deployments(made: Homes, place: Homes) -> None:
    iam = place.make_client("iam")
    document = iam.get_role_policy(RoleName=f"{DEPLOYMENT}-{REGION}-backup", PolicyName="backup")["PolicyDocument"]
    deletes = [row for row in document["Statement"] if "ec2:DeleteSnapshot" in row["Action"]]
    assert [row["Condition"] for row in deletes] == [{"StringEquals": {"aws:ResourceTag/dstk:deployment": DEPLOYMENT}}]


def test_another_time_changes_the_policy_that_is_there(made: Homes, place: Homes) -> None:
    before = place.policies()[0]["PolicyId"]
    made.ensure("provision", *made.options(at="04:30"))
    [policy] = place.policies()
    schedule = policy["PolicyDetails"]["Schedules"][0]
    assert (policy["PolicyId"], schedule["CreateRule"]["Times"], schedule["RetainRule"]) == (
        before,
        ["04:30"],
        {"Count": 7},
    )


def test_without_the_key_policy_and_role_go_and_snapshots_stay(made: Homes, place: Homes) -> None:
    made.ensure("provision", *made.options())
    roles = [row["RoleName"] for row in place.make_client("iam").list_roles()["Roles"]]
    assert (place.policies(), f"{DEPLOYMENT}-{REGION}-backup" in roles) == ([], False)
    assert place.snapshots(homes="eve")


def test_destroy_leaves_no_policy(made: Homes, place: Homes) -> None:
    made.ensure("provision", *made.options(**NIGHTLY))
    made.ensure("destroy", *made.options(**NIGHTLY))
    roles = [row["RoleName"] for row in place.make_client("iam").list_roles()["Roles"]]
    assert (place.policies(), roles) == ([], [])


def test_the_policy_of_iam_allows_what_is_asked_for(made: Homes, place: Homes) -> None:
    config = load_config(place.request(**NIGHTLY))
    asked = set(sandbox.find_permissions(made.environment["AWS_ACCESS_KEY_ID"], directory=place.folder))
    wanted = {item.action for item in find_permissions(config) if item.needed == "backup" and not item.unseen}
    assert {name for name in asked if name.startswith("dlm:")} == wanted
