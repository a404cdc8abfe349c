from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from support.plugins import Load

TYPES = ["t3.large", "m5.large"]
CAPACITIES = {"t3.large": 3, "m5.large": 3}


@pytest.fixture(scope="module")
def seats(load: Load) -> ModuleType:
    return load("module_utils/dstk_seats")


def rows(seats: ModuleType, *names: str) -> list[Any]:
    """Rows by login; after a slash comes the identity, which is of the login where there is none."""
    parts = [name.partition("/") for name in names]
    return [seats.Row(login, identity or f"id-{login}") for login, _, identity in parts]


def host(seats: ModuleType, host_id: str, *taken: str, placement: str = "shared", kind: str = "t3.large") -> Any:
    given = [seats.Seat(row.student, n, row.identity) for n, row in enumerate(rows(seats, *taken), start=1) if taken]
    tags = seats.host_tags("csx450", placement, given, number=int(host_id[-1])) if given else {}
    return seats.Host(host_id, kind, tags)


def settle(seats: ModuleType, people: list[Any], hosts: list[Any], *, placement: str = "shared", **more: Any) -> Any:
    return seats.settle(people, hosts, placement=placement, instance_types=TYPES, capacities=CAPACITIES, **more)


def logins(found: list[Any]) -> list[str]:
    return [row.student for row in found]


def test_what_is_written_into_tags_is_read_from_them(seats: ModuleType) -> None:
    taken = [seats.Seat("ada", 1, "0123456789ab"), seats.Seat("bob", 12, "ba9876543210")]
    assert seats.find_seats(seats.host_tags("csx450", "shared", taken, number=3)) == taken


def test_a_shared_host_bears_its_number_and_no_student(seats: ModuleType) -> None:
    assert seats.host_tags("csx450", "shared", [seats.Seat("ada", 1, "id")], number=1) == {
        "Name": "csx450-host01",
        "dstk:placement": "shared",
        "dstk:host": "01",
        "dstk:seat:01": "ada id",
    }


def test_a_dedicated_host_bears_its_students_name(seats: ModuleType) -> None:
    assert seats.host_tags("csx450", "dedicated", [seats.Seat("ada", 1, "id")]) == {
        "Name": "csx450-ada",
        "dstk:placement": "dedicated",
        "dstk:student": "ada",
        "dstk:seat:01": "ada id",
    }


def test_a_host_of_an_earlier_dstk_is_the_dedicated_seat_of_its_student(seats: ModuleType) -> None:
    tags = {"dstk:student": "ada", "Name": "csx450-ada"}
    assert (seats.find_seats(tags), seats.find_placement(tags)) == ([seats.Seat("ada", 1)], "dedicated")


@pytest.mark.parametrize("tags", [{}, {"dstk:seat:": "ada"}, {"dstk:seat:x1": "ada"}, {"dstk:seat:01": " "}])
def test_what_is_no_seat_is_not_read_as_one(seats: ModuleType, tags: dict[str, str]) -> None:
    assert seats.find_seats(tags) == []


@pytest.mark.parametrize(
    ("settings", "seats_of_it"),
    [
        ({"vcpus": 2, "memory_mib": 8192}, 3),
        ({"vcpus": 1, "memory_mib": 65536}, 4),
        ({"vcpus": 64, "memory_mib": 524288}, 40),
        ({"vcpus": 1, "memory_mib": 1024}, 1),
        ({"vcpus": 2, "memory_mib": 8192, "notebook_memory": "1024"}, 7),
        ({"vcpus": 2, "memory_mib": 65536, "notebook_cpus": "0.5"}, 4),
        ({"vcpus": 2, "memory_mib": 8192, "students_per_host": "6"}, 6),
        ({"vcpus": 2, "memory_mib": 8192, "students_per_host": "90"}, 40),
    ],
)
def test_a_shared_host_has_as_many_seats_as_fit(seats: ModuleType, settings: dict[str, Any], seats_of_it: int) -> None:
    assert seats.find_capacity(placement="shared", **settings) == seats_of_it


def test_a_dedicated_host_has_one_seat_however_large_it_is(seats: ModuleType) -> None:
    assert seats.find_capacity(placement="dedicated", vcpus=64, memory_mib=524288, students_per_host="9") == 1


def test_who_has_a_seat_keeps_it_when_the_roster_is_sorted_anew(seats: ModuleType) -> None:
    there = [host(seats, "i-1", "ada", "bob"), host(seats, "i-2", "eve")]
    found = settle(seats, rows(seats, "eve", "bob", "ada"), there)
    assert found.given == {}
    assert {name: [seat.student for seat in taken] for name, taken in found.kept.items()} == {
        "i-1": ["ada", "bob"],
        "i-2": ["eve"],
    }


def test_free_seats_are_filled_before_hosts_are_asked_for(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada", "bob", "eve", "kim"), [host(seats, "i-1", "ada")])
    assert found.given == {"i-1": [seats.Seat("bob", 2, "id-bob"), seats.Seat("eve", 3, "id-eve")]}
    assert logins(found.unseated) == ["kim"]


def test_a_seat_that_was_released_is_given_again(seats: ModuleType) -> None:
    tags = {"dstk:placement": "shared", "dstk:host": "01", "dstk:seat:02": "bob id-bob"}
    found = settle(seats, rows(seats, "bob", "eve"), [seats.Host("i-1", "t3.large", tags)])
    assert found.given == {"i-1": [seats.Seat("eve", 1, "id-eve")]}


def test_a_spare_host_is_used_before_a_new_one(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada", "bob"), [host(seats, "i-1")], placement="dedicated")
    assert found.given == {"i-1": [seats.Seat("ada", 1, "id-ada")]}
    assert logins(found.unseated) == ["bob"]


def test_a_spare_host_of_another_type_is_left(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada"), [host(seats, "i-1", kind="t2.nano")], placement="dedicated")
    assert (found.given, found.spare) == ({}, ["i-1"])


def test_a_row_with_a_type_of_its_own_sits_on_no_other(seats: ModuleType) -> None:
    wish = seats.Row("ada", "id-ada", "g5.xlarge")
    found = settle(seats, [wish], [host(seats, "i-1", "bob"), host(seats, "i-2")])
    assert found.unseated == [wish]


def test_a_student_without_a_row_has_gone_and_keeps_the_seat(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "bob"), [host(seats, "i-1", "ada", "bob")])
    assert found.gone == [("i-1", seats.Seat("ada", 1, "id-ada"))]


def test_of_two_adas_each_keeps_the_login_that_the_seat_has(seats: ModuleType) -> None:
    there = [host(seats, "i-1", "ada/first", "ada-2/second")]
    found = settle(seats, rows(seats, "ada/second", "ada-2/first"), there)
    assert found.kept == {"i-1": [seats.Seat("ada", 1, "first"), seats.Seat("ada-2", 2, "second")]}


def test_a_new_ada_before_the_old_one_gets_the_login_that_is_left(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada/new", "ada-2/old"), [host(seats, "i-1", "ada/old")])
    assert found.given == {"i-1": [seats.Seat("ada-2", 2, "new")]}


def test_somebody_else_does_not_inherit_the_seat_of_one_who_has_gone(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada/other"), [host(seats, "i-1", "ada/former")])
    assert [(row.student, where) for row, where in found.conflicts] == [("ada", "i-1")]
    assert (found.given, found.unseated) == ({}, [])


def test_the_host_of_an_earlier_dstk_is_kept_and_learns_who_it_is_for(seats: ModuleType) -> None:
    old = seats.Host("i-1", "t2.micro", {"dstk:student": "ada"})
    assert settle(seats, rows(seats, "ada"), [old]).kept == {"i-1": [seats.Seat("ada", 1, "id-ada")]}


def test_of_two_seats_of_one_student_the_older_is_used_and_the_other_named(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada"), [host(seats, "i-1", "ada"), host(seats, "i-2", "ada")])
    assert (list(found.kept), [name for name, _ in found.doubles]) == (["i-1"], ["i-2"])


def test_only_those_who_are_named_get_a_seat_they_lack(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada", "bob", "eve"), [host(seats, "i-1", "eve")], limit=["bob"])
    assert [seat.student for seat in found.given["i-1"]] == ["bob"]
    assert found.unseated == []


def test_the_seats_of_shared_hosts_are_not_filled_by_a_class_that_is_dedicated_now(seats: ModuleType) -> None:
    found = settle(seats, rows(seats, "ada", "bob"), [host(seats, "i-1", "ada")], placement="dedicated")
    assert logins(found.unseated) == ["bob"]


def test_the_filter_answers_what_a_template_can_read(load: Load) -> None:
    filters = load("filter/dstk_aws").FilterModule().filters()
    assert filters["dstk_seats"]({"dstk:seat:01": "ada 0123456789ab"}) == [
        {"student": "ada", "seat": 1, "identity": "0123456789ab"}
    ]
