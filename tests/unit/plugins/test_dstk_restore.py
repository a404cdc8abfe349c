"""Homes as they were: of the same people, in one piece, and once."""

from __future__ import annotations

import datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load

NOW = datetime.datetime(2026, 11, 26, 3, tzinfo=datetime.UTC)
EARLY = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)


def seated(homes: str, *seats: str, **more: str) -> dict[str, str]:
    """The tags of the homes of these, each as a login and an identity."""
    numbered = {f"dstk:seat:{number:02}": seat for number, seat in enumerate(seats, start=1)}
    return {"dstk:deployment": "csx450", "dstk:homes": homes, **numbered, **more}


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def row(tags: dict[str, str], at: str = "") -> dict[str, Any]:
    """A volume, or a snapshot, as EC2 describes it."""
    attached = [{"InstanceId": at, "Device": "/dev/sdf"}] if at else []
    return {
        "SnapshotId": f"snap-{tags['dstk:homes']}",
        "Tags": listed(tags),
        "Attachments": attached,
        "CreateTime": NOW,
    }


@pytest.fixture
def pure(load: Load) -> ModuleType:
    return load("module_utils/dstk_restore")


@pytest.mark.parametrize(
    ("then", "now", "others"),
    [
        (["ada x"], ["ada x"], []),
        (["ada x"], ["ada y"], ["ada"]),
        (["ada x", "ben y"], ["ada x"], []),
        (["ada x"], ["ada x", "eve z"], ["eve"]),
        (["ada"], ["ada x"], []),
    ],
)
def test_all_who_sit_there_now_must_be_in_a_snapshot_as_the_same_people(
    pure: ModuleType, then: list[str], now: list[str], others: list[str]
) -> None:
    assert pure.find_others(seated("host01", *then), seated("host01", *now)) == others


def test_of_one_student_it_is_enough_that_the_home_is_theirs(pure: ModuleType) -> None:
    then, now = seated("host01", "ada x", "ben y"), seated("host01", "ada x", "ben z", "eve q")
    assert pure.find_strangers(then, now) == ["ben"]
    assert pure.find_strangers(then, now, ["ada"]) == []


def test_the_homes_of_last_term_are_not_put_in_the_place_of_this_terms(pure: ModuleType) -> None:
    then = [row(seated("host01", "ada x")), row(seated("host02", "ben y"))]
    now = [row(seated("host01", "eve z"), at="i-1"), row(seated("host02", "ben y"), at="i-2")]
    chosen, skipped = pure.choose(then, now, [], latest=True)
    assert ([item["SnapshotId"] for item in chosen], list(skipped)) == (["snap-host02"], ["host01"])
    assert "eve" in skipped["host01"]


def test_who_has_a_host_and_no_volume_is_compared_by_the_host(pure: ModuleType) -> None:
    host = {"InstanceId": "i-1", "Tags": listed({"dstk:student": "ada", "dstk:seat:01": "ada z"})}
    assert pure.choose([row(seated("ada", "ada x"))], [], [host], latest=True)[0] == []


def test_the_newest_of_those_whom_nobody_knows_any_more_are_restored_only_where_nothing_is_left(
    pure: ModuleType,
) -> None:
    pruned, there = row(seated("ben", "ben y")), row(seated("ada", "ada x"), at="i-1")
    waiting = row(seated("ada", "ada x", **{"dstk:restored": "ada of snap-ada"}))
    assert "nobody has them any more" in pure.choose([pruned], [there], [], latest=True)[1]["ben"]
    assert pure.choose([pruned], [there], [], latest=False)[0] == [pruned]
    assert pure.choose([pruned], [], [], latest=True)[0] == [pruned]
    # what a restore that was killed made is nothing of before
    assert pure.choose([pruned], [waiting], [], latest=True)[0] == [pruned]


class Homes:
    """A vault with the homes of ada and ben, each with a host that is stopped, and a snapshot of each."""

    def __init__(self, load: Load, aws: Any) -> None:
        self.aws, self.module = aws, load("modules/dstk_backups")
        image = aws.describe_images(Owners=["099720109477"])["Images"][0]["ImageId"]
        self.snapshots = {}
        for login in ("ada", "ben"):
            tags = listed({"dstk:deployment": "csx450", "dstk:student": login})
            host = aws.run_instances(
                ImageId=image,
                InstanceType="t3.medium",
                MinCount=1,
                MaxCount=1,
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            )["Instances"][0]
            made = aws.create_volume(
                AvailabilityZone=host["Placement"]["AvailabilityZone"],
                Size=3,
                TagSpecifications=[{"ResourceType": "volume", "Tags": listed(seated(login, f"{login} x"))}],
            )
            aws.attach_volume(VolumeId=made["VolumeId"], InstanceId=host["InstanceId"], Device="/dev/sdf")
            aws.stop_instances(InstanceIds=[host["InstanceId"]])
            tags = listed(seated(login, f"{login} x"))
            taken = aws.create_snapshot(
                VolumeId=made["VolumeId"], TagSpecifications=[{"ResourceType": "snapshot", "Tags": tags}]
            )
            self.snapshots[login] = str(taken["SnapshotId"])

    def restore(self, snapshot: str = "latest") -> dict[str, Any]:
        vault = self.module.Vault(self.aws, "csx450")
        given = {"snapshot": snapshot, "instance_type": "t3.medium", "timeout": 20}
        answer: dict[str, Any] = self.module.ensure_restored(vault, given, NOW)
        return answer

    def volumes(self, key: str, value: str = "*") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.aws.describe_volumes(Filters=[{"Name": f"tag:{key}", "Values": [value]}])[
            "Volumes"
        ]
        return found

    def break_call(self, monkeypatch: pytest.MonkeyPatch, name: str, *, once: bool = True) -> None:
        """Let a call fail, as where a run is killed before it."""
        call = getattr(self.aws, name)
        left = SimpleNamespace(count=1)

        def fail(**request: Any) -> Any:
            if left.count:
                left.count -= once
                raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, name)
            return call(**request)

        monkeypatch.setattr(self.aws, name, fail)


@pytest.fixture
def homes(load: Load, aws: Any) -> Homes:
    return Homes(load, aws)


def test_what_fails_at_one_home_fails_at_no_other(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    homes.break_call(monkeypatch, "create_volume")
    answer = homes.restore()
    [failed] = answer["failures"]
    assert f"`dstk restore {homes.snapshots[failed]}`" in answer["failures"][failed]
    assert [item["homes"] for item in answer["restored"]] == [{"ada": "ben", "ben": "ada"}[failed]]


@pytest.mark.parametrize("call", ["detach_volume", "delete_tags", "attach_volume"])
def test_a_run_that_was_killed_is_gone_on_with_on_the_same_volume(
    homes: Homes, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = homes.volumes("dstk:homes", "ada")[0]["VolumeId"]
    homes.break_call(monkeypatch, call)
    assert list(homes.restore(homes.snapshots["ada"])["failures"]) == ["ada"]
    # at every moment there is a volume that says that it holds the homes
    assert homes.volumes("dstk:homes", "ada")
    answer = homes.restore(homes.snapshots["ada"])
    assert answer["failures"] == {}
    [now] = homes.volumes("dstk:homes", "ada")
    [old] = homes.volumes("dstk:replaced")
    assert (old["VolumeId"], now["SnapshotId"]) == (before, homes.snapshots["ada"])
    assert len(homes.volumes("dstk:restored")) == 1


def test_a_home_that_is_restored_and_that_no_host_ran_with_is_left_as_it_is(homes: Homes) -> None:
    [first] = homes.restore(homes.snapshots["ada"])["restored"]
    assert homes.restore(homes.snapshots["ada"])["restored"] == [{**first, "replaced": ""}]


def test_once_a_host_has_run_with_it_a_restore_is_a_new_one(homes: Homes) -> None:
    [first] = homes.restore(homes.snapshots["ada"])["restored"]
    # what dstk_hosts does when the host runs
    homes.aws.delete_tags(Resources=[first["volume"]], Tags=[{"Key": "dstk:restored"}])
    [second] = homes.restore(homes.snapshots["ada"])["restored"]
    assert (second["volume"] != first["volume"], second["replaced"]) == (True, first["volume"])


def test_a_host_that_was_started_in_the_console_counts_too(homes: Homes, pure: ModuleType) -> None:
    homes.restore(homes.snapshots["ada"])
    [volume] = homes.volumes("dstk:homes", "ada")
    snapshot = homes.aws.describe_snapshots(SnapshotIds=[homes.snapshots["ada"]])["Snapshots"][0]
    host = volume["Attachments"][0]["InstanceId"]
    stopped = {"State": {"Name": "stopped"}, "LaunchTime": EARLY}
    assert pure.is_done(volume, snapshot, {host: stopped})
    assert not pure.is_done(volume, snapshot, {host: {**stopped, "State": {"Name": "running"}}})
    later = volume["Attachments"][0]["AttachTime"] + datetime.timedelta(seconds=1)
    assert not pure.is_done(volume, snapshot, {host: {**stopped, "LaunchTime": later}})


def test_a_snapshot_of_somebody_else_is_refused_and_nothing_is_made(homes: Homes) -> None:
    [volume] = homes.volumes("dstk:homes", "ada")
    homes.aws.create_tags(Resources=[volume["VolumeId"]], Tags=listed({"dstk:seat:01": "ada y"}))
    with pytest.raises(homes.module.VaultError, match=r"not the people who sit there now \(ada\)\nFix: "):
        homes.restore(homes.snapshots["ada"])
    assert list(homes.restore()["skipped"]) == ["ada"]
    assert homes.volumes("dstk:replaced", "ada*") == []


def test_a_student_is_not_lent_the_home_of_somebody_else_of_that_login(homes: Homes) -> None:
    [volume] = homes.volumes("dstk:homes", "ada")
    host = volume["Attachments"][0]["InstanceId"]
    homes.aws.start_instances(InstanceIds=[host])
    homes.aws.create_tags(Resources=[host], Tags=listed({"dstk:seat:01": "ada y"}))
    given = {"state": "lent", "instance_id": host, "snapshot": "latest", "students": ["ada"]}
    with pytest.raises(homes.module.VaultError, match="other people's: ada\nFix: "):
        homes.module.lend(homes.module.Vault(homes.aws, "csx450"), given)


def test_a_volume_that_was_lent_and_came_late_is_given_back(homes: Homes, monkeypatch: pytest.MonkeyPatch) -> None:
    [volume] = homes.volumes("dstk:homes", "ada")
    host = volume["Attachments"][0]["InstanceId"]
    homes.aws.start_instances(InstanceIds=[host])
    vault = homes.module.Vault(homes.aws, "csx450")
    given = {"state": "lent", "instance_id": host, "snapshot": "latest", "students": []}
    homes.break_call(monkeypatch, "describe_volumes", once=False)
    monkeypatch.setattr(vault, "give_back", lambda instance_id: None)
    with pytest.raises(ClientError):
        homes.module.lend(vault, given)
    monkeypatch.undo()
    assert len(homes.volumes("dstk:lent")) == 1
    homes.module.lend(vault, {**given, "state": "returned"})
    assert homes.volumes("dstk:lent") == []
