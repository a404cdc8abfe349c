from __future__ import annotations

import functools
from typing import Any

import pytest

from dstk_runner.aws import make_client
from dstk_runner.checks_class import check_class
from dstk_runner.config import Config, load_config
from dstk_runner.needs import Kind, find_need
from dstk_runner.results import Check

pytestmark = pytest.mark.usefixtures("account")

REGION = "eu-west-2"
KINDS = {
    "m7i.large": Kind("m7i.large", vcpus=2, memory=8192, burstable=False),
    "m7i.xlarge": Kind("m7i.xlarge", vcpus=4, memory=16384, burstable=False),
}


def students(count: int) -> list[str]:
    return [f"student{number:02d}" for number in range(1, count + 1)]


def make_config(count: int, **values: Any) -> Config:
    return load_config({"students": students(count), "instance_type": "m7i.large", "region": REGION, **values})


def make_instance(config: Config, *seats: int, state: str = "running", name: str = "m7i.large") -> dict[str, Any]:
    tags = {"dstk:placement": config.placement}
    for number, index in enumerate(seats, 1):
        member = config.members[index]
        tags[f"dstk:seat:{number:02d}"] = f"{member['student']} {member['identity']}"
    rows = [{"Key": key, "Value": value} for key, value in tags.items()]
    return {"InstanceId": f"i-{seats}", "InstanceType": name, "State": {"Name": state}, "Tags": rows}


@functools.cache
def connect(service: str) -> Any:
    """A client of the account; one does for all tests."""
    return make_client(service, REGION)


def ask(**values: Any) -> dict[str, Check]:
    config = load_config({"region": REGION, **values})
    return {check.name: check for check in check_class(connect("ec2"), connect("service-quotas"), config)}


def test_each_student_needs_a_dedicated_host() -> None:
    assert find_need(make_config(30), KINDS, []).hosts == {"m7i.large": 30}


def test_students_share_hosts_as_memory_allows() -> None:
    need = find_need(make_config(30, placement="shared", instance_type="m7i.xlarge"), KINDS, [])
    assert (need.hosts, need.seats["m7i.xlarge"]) == ({"m7i.xlarge": 5}, 7)


def test_a_number_of_students_to_a_host_is_taken_at_its_word() -> None:
    assert find_need(make_config(30, placement="shared", students_per_host=4), KINDS, []).hosts == {"m7i.large": 8}


def test_who_has_a_seat_needs_no_host() -> None:
    config = make_config(3)
    need = find_need(config, KINDS, [make_instance(config, 0), make_instance(config, 2)])
    assert (need.seated, need.hosts) == (2, {"m7i.large": 1})


def test_a_free_seat_is_filled_before_a_host_is_made() -> None:
    config = make_config(3, placement="shared", students_per_host=3)
    assert find_need(config, KINDS, [make_instance(config, 0)]).hosts == {}


def test_a_student_with_a_type_of_their_own_needs_a_host_of_it() -> None:
    people = ["ada", {"name": "grace", "instance_type": "m7i.xlarge"}]
    assert find_need(load_config({"students": people, "instance_type": "m7i.large"}), KINDS, []).hosts == {
        "m7i.large": 1,
        "m7i.xlarge": 1,
    }


def test_a_stopped_host_is_started() -> None:
    config = make_config(1)
    assert find_need(config, KINDS, [make_instance(config, 0, state="stopped")]).started == {"m7i.large": 1}


def test_a_limit_asks_for_its_students_only() -> None:
    config = load_config(make_config(30).chosen_values(), overrides={"limit": ["student03"]})
    assert find_need(config, KINDS, []).hosts == {"m7i.large": 1}


def test_who_is_not_in_the_class_any_more_is_gone() -> None:
    before = make_config(3)
    assert find_need(make_config(2), KINDS, [make_instance(before, 2)]).gone == ("student03",)


def test_a_class_within_the_quota_is_fine_and_counted() -> None:
    checks = ask(students=students(6), instance_type="m7i.large")
    assert checks["vcpu quota"].status == "ok"
    assert checks["class"].message == "6 students, 0 have a seat, 6 hosts of m7i.large will be made"


def test_the_whole_class_is_held_against_the_quota() -> None:
    found = ask(students=students(30), instance_type="m7i.large")["vcpu quota"]
    assert (found.status, found.message) == ("fail", "0 of 32 vCPUs are in use, 60 more are asked for")


def test_seats_are_counted_where_hosts_are_shared() -> None:
    found = ask(students=students(30), instance_type="m7i.2xlarge", placement="shared")["class"]
    assert found.message == "30 students, 0 have a seat, 2 hosts of m7i.2xlarge with 15 seats each will be made"


def test_many_burstable_hosts_are_warned_of() -> None:
    found = ask(students=students(12), instance_type="t3.medium")["cpu"]
    assert "12 burstable t3.medium that run one lab at once exhaust their CPU credits" in found.message


def test_shared_burstable_hosts_are_warned_of() -> None:
    assert "share the CPU credits" in ask(instance_type="t3.xlarge", placement="shared")["cpu"].message


def test_a_seat_that_is_small_for_the_image_is_warned_of() -> None:
    found = ask(instance_type="m7i.large", placement="shared", notebook_memory=512)["memory"]
    assert (found.status, found.fix) == ("warn", "notebook_memory: 1536")


def test_a_small_image_is_content_with_a_small_seat() -> None:
    image = "quay.io/jupyter/minimal-notebook:2026-08-24"
    checks = ask(instance_type="m7i.large", placement="shared", notebook_memory=512, notebook_image=image)
    assert "memory" not in checks


def test_more_notebooks_than_a_host_has_memory_for_are_warned_of() -> None:
    found = ask(instance_type="m7i.large", placement="shared", students_per_host=10)["memory"]
    assert "10 notebooks of 2048 MB" in found.message


def test_a_notebook_that_wants_more_than_its_own_host_has_is_warned_of() -> None:
    found = ask(instance_type="m7i.large", notebook_memory=8192)["memory"]
    assert found.message == "a notebook of 8192 MB and the system need more than m7i.large (2 vCPU, 8 GiB) has"


def test_an_alternative_that_the_region_lacks_is_a_wrong_request() -> None:
    found = ask(instance_type="m7i.large", instance_types=["t9.huge"])["instance_type"]
    assert (found.request, "t9.huge" in found.message) == (True, True)


def test_a_type_of_one_student_that_the_region_lacks_is_a_wrong_request() -> None:
    found = ask(students=[{"name": "ada", "instance_type": "t9.huge"}])["instance_type"]
    assert found.request


def test_a_network_that_is_too_small_for_the_class_is_a_wrong_request() -> None:
    found = ask(students=students(60), instance_type="t3.nano", vpc_cidr="10.77.0.0/24")["vpc_cidr"]
    assert (found.status, found.request) == ("fail", True)
