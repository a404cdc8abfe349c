from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load
from support.seating import Place, seats


@pytest.fixture
def place(load: Load, aws: Any) -> Place:
    return Place(load, aws)


def homes(place: Place) -> list[dict[str, Any]]:
    """The volumes with homes: tags, size, zone, and the instance that has it."""
    rows = [(row, {tag["Key"]: tag["Value"] for tag in row["Tags"]}) for row in place.aws.describe_volumes()["Volumes"]]
    return [
        {
            "id": row["VolumeId"],
            "tags": tags,
            "size": row["Size"],
            "zone": row["AvailabilityZone"],
            "at": row["Attachments"][0]["InstanceId"] if row["Attachments"] else "",
        }
        for row, tags in rows
        if "dstk:homes" in tags
    ]


def end(place: Place) -> None:
    place.aws.terminate_instances(InstanceIds=[item["InstanceId"] for item in place.instances()])


def test_a_dedicated_host_has_a_volume_that_says_whose_home_it_holds(place: Place) -> None:
    answer = place.ensure("ada")
    [volume] = homes(place)
    assert volume["tags"] == {
        "Name": "csx450-ada-homes",
        "dstk:deployment": "csx450",
        "dstk:homes": "ada",
        "dstk:placement": "dedicated",
        "dstk:seat:01": "ada id-ada",
        "dstk:student": "ada",
    }
    assert (volume["size"], volume["at"]) == (10, answer["hosts"][0]["id"])


def test_the_volume_of_a_shared_host_has_room_for_each_seat(place: Place) -> None:
    place.ensure("ada", "bob", placement="shared")
    [volume] = homes(place)
    # a t3.large has three seats
    assert (volume["size"], volume["tags"]["dstk:homes"]) == (30, "host01")
    assert volume["tags"]["dstk:seat:02"] == "bob id-bob"


def test_who_gets_a_free_seat_is_told_by_the_volume_too(place: Place) -> None:
    place.ensure("ada", placement="shared")
    assert place.ensure("ada", "bob", placement="shared")["changed"]
    assert homes(place)[0]["tags"]["dstk:seat:02"] == "bob id-bob"


def test_a_host_that_ended_is_launched_again_where_its_volume_is(place: Place) -> None:
    place.ensure("ada", subnets=place.given["subnets"][1:2])
    [before] = homes(place)
    end(place)
    answer = place.ensure("ada")
    [after] = homes(place)
    assert after["id"] == before["id"]
    assert (answer["hosts"][0]["zone"], answer["hosts"][0]["id"]) == (before["zone"], after["at"])
    assert place.ensure("ada")["changed"] is False


def test_a_shared_host_that_ended_keeps_its_number_and_its_seats(place: Place) -> None:
    place.ensure("ada", "bob", "eve", "kim", placement="shared")
    end(place)
    answer = place.ensure("kim", "eve", "bob", "ada", "liv", placement="shared")
    assert sorted(seats(answer)) == [["ada", "bob", "eve"], ["kim", "liv"]]
    assert sorted(volume["tags"]["dstk:homes"] for volume in homes(place)) == ["host01", "host02"]
    assert all(volume["at"] for volume in homes(place))


def test_only_the_hosts_of_those_who_are_named_are_launched_again(place: Place) -> None:
    place.ensure("ada", "bob")
    end(place)
    assert seats(place.ensure("ada", "bob", limit=["bob"])) == [["bob"]]
    assert [bool(volume["at"]) for volume in sorted(homes(place), key=lambda item: item["tags"]["dstk:homes"])] == [
        False,
        True,
    ]


def test_a_home_is_not_given_to_somebody_else_of_that_login(place: Place) -> None:
    place.ensure("ada")
    end(place)
    stranger = [{"student": "ada", "identity": "id-other", "instance_type": ""}]
    answer = place.ensure(students=stranger)
    assert (answer["hosts"], answer["gone"]) == ([], [])
    assert "holds the home of somebody else" in answer["failures"][0]["message"]


def test_homes_of_which_no_seat_is_known_are_given_to_nobody(place: Place) -> None:
    tags = [{"Key": "dstk:deployment", "Value": "csx450"}, {"Key": "dstk:homes", "Value": "eve"}]
    specification = [{"ResourceType": "volume", "Tags": tags}]
    place.aws.create_volume(AvailabilityZone=homes_zone(place), Size=1, TagSpecifications=specification)
    place.ensure("ada")
    assert [(row["tags"]["dstk:homes"], bool(row["at"])) for row in homes(place)] == [("eve", False), ("ada", True)]


def homes_zone(place: Place) -> str:
    """The zone of the first subnet."""
    return str(place.given["subnets"][0]["zone"])


def test_a_volume_without_a_subnet_in_its_zone_is_a_failure_with_its_remedy(place: Place) -> None:
    place.ensure("ada", subnets=place.given["subnets"][1:2])
    end(place)
    answer = place.ensure("ada", subnets=place.given["subnets"][:1])
    assert answer["launched"] == []
    assert "where no instance of the type can start" in answer["failures"][0]["message"]


def test_a_host_whose_run_was_killed_gets_the_volume_that_is_its(place: Place) -> None:
    place.ensure("ada")
    [volume] = homes(place)
    place.aws.detach_volume(VolumeId=volume["id"], InstanceId=volume["at"], Device="/dev/sdf")
    assert place.ensure("ada")["changed"]
    assert homes(place)[0]["at"] == volume["at"]


def test_a_volume_grows_and_never_shrinks(place: Place) -> None:
    place.ensure("ada")
    answer = place.ensure("ada", home_volume_size=20)
    [volume] = homes(place)
    assert (volume["size"], answer["changed"]) == (20, True)
    assert (answer["diff"]["before"][volume["id"]], answer["diff"]["after"][volume["id"]]) == ("10 GB", "20 GB")
    assert place.ensure("ada", home_volume_size=5)["changed"] is False


def test_check_mode_says_which_host_would_be_launched_again(place: Place) -> None:
    place.ensure("ada")
    end(place)
    answer = place.ensure("ada", check_mode=True)
    assert (answer["launched"], answer["hosts"][0]["zone"]) == (["planned-01"], homes(place)[0]["zone"])


def untagged(place: Place) -> str:
    """The volume of ada's host as a run leaves it that was killed before it said whose homes it holds."""
    place.ensure("ada")
    [volume] = homes(place)
    place.aws.delete_tags(Resources=[volume["id"]], Tags=[{"Key": "dstk:homes"}, {"Key": "dstk:seat:01"}])
    assert homes(place) == []
    return str(volume["id"])


def destroy(place: Place, **wanted: bool) -> dict[str, Any]:
    """What `dstk_hosts` does with `state: absent`."""
    module = SimpleNamespace(
        check_mode=False, params={"timeout": 20, "delete_data": False, "final_backup": True} | wanted
    )
    answer: dict[str, Any] = place.ends.ensure_absent(module, place.fleet)
    return answer


def refuse_tags(place: Place, monkeypatch: pytest.MonkeyPatch, *, of: str) -> None:
    """Let AWS refuse to tag what has an id that begins so."""
    create = place.aws.create_tags

    def refuse(**request: Any) -> Any:
        if request["Resources"][0].startswith(of):
            raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "CreateTags")
        return create(**request)

    monkeypatch.setattr(place.aws, "create_tags", refuse)


def test_destroy_keeps_the_homes_of_a_host_whose_volume_says_of_nobody_that_it_is_theirs(place: Place) -> None:
    volume = untagged(place)
    kept = destroy(place)["kept_volumes"]
    assert [(row["id"], row["homes"]) for row in kept] == [(volume, "ada")]
    assert [(row["id"], row["tags"]["dstk:seat:01"]) for row in homes(place)] == [(volume, "ada id-ada")]


def test_such_homes_get_their_last_snapshot_too(place: Place) -> None:
    volume = untagged(place)
    answer = destroy(place, delete_data=True)
    assert ([row["homes"] for row in answer["snapshots"]], answer["volume_ids"]) == (["ada"], [volume])


def test_where_aws_refuses_the_tag_no_host_is_ended(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = untagged(place)
    refuse_tags(place, monkeypatch, of="vol-")
    with pytest.raises(
        importlib.import_module("ansible.module_utils.dstk_fleet").LingerError,
        match=f"{volume} holds the homes of ada .*nothing was ended\nFix: ",
    ):
        destroy(place)
    assert [item["State"]["Name"] for item in place.instances()] == ["running"]
    assert destroy(place, delete_data=True, final_backup=False)["volume_ids"] == [volume]


def test_what_a_launch_left_on_which_nobody_has_a_seat_is_deleted(place: Place) -> None:
    volume = untagged(place)
    [instance] = place.instances()
    place.aws.delete_tags(Resources=[instance["InstanceId"]], Tags=[{"Key": "dstk:student"}, {"Key": "dstk:seat:01"}])
    answer = destroy(place)
    assert (answer["kept_volumes"], answer["volume_ids"]) == ([], [volume])


def test_nobody_works_on_a_volume_that_cannot_say_whose_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_tags(place, monkeypatch, of="vol-")
    answer = place.ensure("ada")
    assert answer["hosts"] == []
    assert "could not be tagged" in answer["failures"][0]["message"]
    monkeypatch.undo()
    assert seats(place.ensure("ada")) == [["ada"]]
    assert homes(place)[0]["tags"]["dstk:homes"] == "ada"


def finals(place: Place) -> list[str]:
    """The last snapshots."""
    by = [{"Name": "tag:dstk:kind", "Values": ["final"]}]
    return [row["SnapshotId"] for row in place.aws.describe_snapshots(OwnerIds=["self"], Filters=by)["Snapshots"]]


def fail_to_destroy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes had a last snapshot, and AWS did not delete their volume."""
    place.ensure("ada")
    monkeypatch.setattr(place.aws, "delete_volume", _refuse)
    with pytest.raises(ClientError):
        destroy(place, delete_data=True)
    monkeypatch.undo()


def test_a_destroy_that_is_repeated_takes_no_second_last_snapshot(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_destroy(place, monkeypatch)
    [first] = finals(place)
    assert [row["id"] for row in destroy(place, delete_data=True)["snapshots"]] == [first]
    assert finals(place) == [first]


def test_what_was_written_after_a_last_snapshot_gets_one_of_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_to_destroy(place, monkeypatch)
    place.ensure("ada")
    assert "dstk:last-snapshot" not in homes(place)[0]["tags"]
    destroy(place, delete_data=True)
    assert len(finals(place)) == 2


def _refuse(**request: Any) -> Any:
    raise ClientError({"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "DeleteVolume")


def test_a_host_that_runs_takes_from_its_volume_what_it_was_made_of(place: Place) -> None:
    place.ensure("ada")
    [volume] = homes(place)
    place.aws.create_tags(Resources=[volume["id"]], Tags=[{"Key": "dstk:restored", "Value": "ada of snap-1"}])
    place.ensure("ada")
    assert "dstk:restored" not in homes(place)[0]["tags"]
