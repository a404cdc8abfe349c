from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support.plugins import Load
from support.seating import Place, seats


@pytest.fixture
def place(load: Load, aws: Any) -> Place:
    return Place(load, aws)


def test_a_lone_student_gets_an_instance_that_bears_everything_from_its_launch(place: Place) -> None:
    answer = place.ensure("ada")
    assert seats(answer) == [["ada"]]
    assert place.tags() == [
        {
            "Name": "csx450-ada",
            "dstk:deployment": "csx450",
            "dstk:placement": "dedicated",
            "dstk:student": "ada",
            "dstk:seat:01": "ada id-ada",
        }
    ]


def test_a_launched_instance_keeps_to_what_the_guide_lacked(place: Place) -> None:
    place.ensure("ada")
    options = place.instances()[0]["MetadataOptions"]
    volume = place.aws.describe_volumes()["Volumes"][0]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 1)
    assert (volume["VolumeType"], volume["Encrypted"], volume["Size"]) == ("gp3", True, 30)


def test_a_dedicated_class_gets_a_tagged_instance_each(place: Place) -> None:
    answer = place.ensure("ada", "bob", "eve")
    assert seats(answer) == [["ada"], ["bob"], ["eve"]]
    assert sorted(tags["Name"] for tags in place.tags()) == ["csx450-ada", "csx450-bob", "csx450-eve"]
    assert all(host["address"] and host["state"] == "running" for host in answer["hosts"])


def test_a_shared_class_is_packed_by_memory(place: Place) -> None:
    answer = place.ensure("ada", "bob", "eve", "kim", placement="shared")
    assert seats(answer) == [["ada", "bob", "eve"], ["kim"]]
    assert [tags["dstk:host"] for tags in place.tags()] == ["01", "02"]


def test_a_second_run_changes_nothing(place: Place) -> None:
    first = place.ensure("ada", "bob", "eve", placement="shared")
    second = place.ensure("eve", "ada", "bob", placement="shared")
    assert (second["changed"], second["hosts"]) == (False, first["hosts"])


def test_those_who_come_later_fill_what_is_free_and_then_new_hosts(place: Place) -> None:
    place.ensure("ada", "bob", placement="shared")
    answer = place.ensure("ada", "bob", "eve", "kim", placement="shared")
    assert seats(answer) == [["ada", "bob", "eve"], ["kim"]]
    assert len(answer["launched"]) == 1


def test_a_shared_host_that_is_launched_later_has_the_next_number(place: Place) -> None:
    place.ensure("ada", placement="shared", students_per_host="1")
    place.ensure("ada", "bob", placement="shared", students_per_host="1")
    assert [tags["Name"] for tags in place.tags()] == ["csx450-host01", "csx450-host02"]


def test_an_instance_that_runs_is_kept_whatever_is_wished_for_now(place: Place) -> None:
    first = place.ensure("ada")
    second = place.ensure("ada", instance_type="m5.large")
    assert (second["changed"], second["hosts"]) == (False, first["hosts"])
    assert second["differing"] == [first["hosts"][0]["id"]]


def test_a_student_with_a_type_of_their_own_gets_it(place: Place) -> None:
    answer = place.ensure("ada", "bob/m5.xlarge")
    assert {host["seats"][0]["student"]: host["type"] for host in answer["hosts"]} == {
        "ada": "t3.large",
        "bob": "m5.xlarge",
    }


def test_a_stopped_instance_is_started(place: Place) -> None:
    first = place.ensure("ada")["hosts"][0]["id"]
    place.aws.stop_instances(InstanceIds=[first])
    answer = place.ensure("ada")
    assert (answer["started"], answer["hosts"][0]["state"]) == ([first], "running")
    assert len(place.instances()) == 1


def test_the_instance_of_an_earlier_dstk_gets_its_seat_and_keeps_its_name(place: Place) -> None:
    [host] = place.ensure("ada")["hosts"]
    place.aws.delete_tags(Resources=[host["id"]], Tags=[{"Key": "dstk:seat:01"}, {"Key": "dstk:placement"}])
    place.aws.create_tags(Resources=[host["id"]], Tags=[{"Key": "Name", "Value": "my machine"}])
    assert place.ensure("ada")["hosts"] == [host]
    assert place.tags()[0]["dstk:seat:01"] == "ada id-ada"
    assert place.tags()[0]["Name"] == "my machine"


def test_an_instance_that_stayed_untagged_is_used_by_the_next_run(place: Place) -> None:
    [host] = place.ensure("ada")["hosts"]
    keys = ("dstk:seat:01", "dstk:placement", "dstk:student")
    place.aws.delete_tags(Resources=[host["id"]], Tags=[{"Key": key} for key in keys])
    answer = place.ensure("bob", "eve")
    assert seats(answer) == [["bob"], ["eve"]]
    assert answer["hosts"][0]["id"] == host["id"]


def test_only_those_who_are_named_are_launched(place: Place) -> None:
    assert seats(place.ensure("ada", "bob", "eve", limit=["bob"])) == [["bob"]]


def test_only_those_who_are_named_are_started(place: Place) -> None:
    ids = [host["id"] for host in place.ensure("ada", "bob")["hosts"]]
    place.aws.stop_instances(InstanceIds=ids)
    assert place.ensure("ada", "bob", limit=["bob"])["started"] == [ids[1]]


def test_check_mode_launches_nothing_and_says_what_it_would(place: Place) -> None:
    answer = place.ensure("ada", "bob", check_mode=True)
    assert (answer["changed"], answer["launched"]) == (True, ["planned-01", "planned-02"])
    assert place.instances() == []


def test_a_type_that_the_region_does_not_know_is_a_failure_of_who_wants_it(place: Place) -> None:
    answer = place.ensure("ada", "bob/x9.huge")
    assert seats(answer) == [["ada"]]
    assert [failure["student"] for failure in answer["failures"]] == ["bob"]


def test_alternatives_are_launched_where_no_zone_has_the_type(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(place, monkeypatch, "InsufficientInstanceCapacity", kind="t3.large")
    answer = place.ensure("ada", "bob", instance_types=["t3a.large", "m5.large"])
    assert [host["type"] for host in answer["hosts"]] == ["t3a.large", "t3a.large"]
    assert answer["failures"] == []


def test_an_alternative_is_no_way_around_a_quota(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(place, monkeypatch, "VcpuLimitExceeded", kind="t3.large")
    answer = place.ensure("ada", instance_types=["t3a.large"])
    assert answer["hosts"] == []


def test_a_refused_launch_is_a_failure_of_each_student_with_its_remedy(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.ensure("ada")
    refuse(place, monkeypatch, "VcpuLimitExceeded", kind="t3.large")
    answer = place.ensure("ada", "bob", "eve")
    assert seats(answer) == [["ada"]]
    assert [failure["student"] for failure in answer["failures"]] == ["bob", "eve"]
    assert all("L-1216C47A" in failure["fix"] for failure in answer["failures"])


def test_an_instance_that_ends_while_it_starts_is_a_failure_of_its_students(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = place.aws.run_instances
    ended: list[str] = []

    def launch_and_end(**request: Any) -> Any:
        answer = launch(**request)
        if not ended:
            ended.append(answer["Instances"][0]["InstanceId"])
            place.aws.terminate_instances(InstanceIds=ended)
        return answer

    monkeypatch.setattr(place.aws, "run_instances", launch_and_end)
    answer = place.ensure("ada", "bob")
    assert seats(answer) == [["bob"]]
    assert "AWS ended instance" in answer["failures"][0]["message"]


def test_a_student_who_has_gone_is_told_and_left_alone(place: Place) -> None:
    ids = {host["seats"][0]["student"]: host["id"] for host in place.ensure("ada", "bob")["hosts"]}
    answer = place.ensure("bob")
    assert answer["gone"] == [{"student": "ada", "instance_id": ids["ada"]}]
    assert {found["State"]["Name"] for found in place.instances()} == {"running"}


def test_a_tag_that_was_lost_is_set_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.fleets, "TAG_AGAIN_SECONDS", 0)
    monkeypatch.setattr("time.sleep", lambda _: None)
    create = place.aws.create_tags
    lost: list[dict[str, Any]] = []

    def create_tags(**request: Any) -> Any:
        if not lost:
            lost.append(request)
            return {}
        return create(**request)

    monkeypatch.setattr(place.aws, "create_tags", create_tags)
    assert seats(place.ensure("ada", "bob")) == [["ada"], ["bob"]]
    assert len(lost) == 1
    assert all("dstk:seat:01" in tags for tags in place.tags())


def refuse(place: Place, monkeypatch: pytest.MonkeyPatch, code: str, *, kind: str) -> None:
    """Let launches of a type be refused."""
    launch = place.aws.run_instances

    def run_instances(**request: Any) -> Any:
        if request["InstanceType"] == kind:
            raise ClientError({"Error": {"Code": code, "Message": code}}, "RunInstances")
        return launch(**request)

    monkeypatch.setattr(place.aws, "run_instances", run_instances)
