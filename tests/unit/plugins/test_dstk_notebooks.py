"""Which seats of a host are served, and how a notebook's container is made."""

from __future__ import annotations

from typing import Any

import pytest

from support.plugins import Load

SEATS = [{"student": "ada", "seat": 1, "identity": "a1"}, {"student": "ben", "seat": 2, "identity": "b2"}]
CLASS = [{"student": "ada", "identity": "a1", "image": ""}, {"student": "ben", "identity": "b2", "image": "img:2"}]
NOTEBOOK = {"student": "ada", "seat": 3, "port": 8890, "image": "img:1", "memory": 1024, "cpus": 0.5}


def served(load: Load, taken: list[dict[str, Any]] = SEATS, **options: Any) -> list[dict[str, Any]]:
    options = {"image": "img:1", "port": 8888, "shared": True, "members": CLASS, **options}
    notebooks: list[dict[str, Any]] = load("filter/dstk_notebooks").dstk_host_notebooks(taken, **options)
    return notebooks


def arguments(load: Load, **notebook: Any) -> str:
    made = load("module_utils/dstk_notebooks").find_arguments(
        {**NOTEBOOK, **notebook}, deployment="d", home="/h", config="/c", pids=99, start_timeout=300
    )
    return " ".join(made)


def test_a_seat_has_a_port_of_its_own(load: Load) -> None:
    assert [notebook["port"] for notebook in served(load)] == [8888, 8889]


def test_a_student_can_have_an_image_of_their_own(load: Load) -> None:
    assert [notebook["image"] for notebook in served(load)] == ["img:1", "img:2"]


def test_the_seat_of_a_student_who_has_gone_is_left_alone(load: Load) -> None:
    assert [notebook["student"] for notebook in served(load, members=CLASS[1:])] == ["ben"]


def test_a_seat_keeps_its_login_where_the_roster_was_sorted_anew(load: Load) -> None:
    members = [{"student": "ada-2", "identity": "a1", "image": "img:3"}]
    assert [(n["student"], n["image"]) for n in served(load, members=members)] == [("ada", "img:3")]


@pytest.mark.parametrize("limit", [["ben"], "ben", "ben, nobody"])
def test_a_limit_leaves_the_others_alone(load: Load, limit: object) -> None:
    assert [notebook["student"] for notebook in served(load, limit=limit)] == ["ben"]


def test_on_a_host_of_ones_own_nothing_is_limited(load: Load) -> None:
    assert [(notebook["memory"], notebook["cpus"]) for notebook in served(load, shared=False)] == [(0, 0), (0, 0)]


def test_on_a_shared_host_auto_is_two_gib_and_a_processor(load: Load) -> None:
    assert {(notebook["memory"], notebook["cpus"]) for notebook in served(load)} == {(2048, 1)}


def test_a_limit_that_is_asked_for_is_taken(load: Load) -> None:
    assert {(n["memory"], n["cpus"]) for n in served(load, shared=False, memory=512, cpus="0.5")} == {(512, 0.5)}


def test_without_a_limit_all_hosts_are_meant(load: Load) -> None:
    assert load("filter/dstk_notebooks").dstk_limit_pattern([], "dstk_hosts") == "dstk_hosts"


def test_a_limit_means_the_hosts_of_its_students(load: Load) -> None:
    pattern = load("filter/dstk_notebooks").dstk_limit_pattern("ada-1,ben", "dstk_hosts")
    assert pattern == "student_ada_1:student_ben:&dstk_hosts"


def test_the_kernel_holds_a_notebook_to_its_limits(load: Load) -> None:
    assert "--pids-limit 99 --memory 1024m --memory-swap 1024m --cpus 0.5" in arguments(load)


def test_a_notebook_without_a_limit_leaves_the_host_its_reserve(load: Load) -> None:
    own = load("module_utils/dstk_notebooks").find_own_limit(1024)
    assert f"--memory {1024 - 256}m" in arguments(load, memory=0, own_memory=own)


def test_only_the_host_itself_reaches_a_container(load: Load) -> None:
    assert "--network dstk --publish 127.0.0.1:8890:8888" in arguments(load)


@pytest.mark.parametrize(
    "part", ["--user 1000:100", "--cap-drop ALL", "--security-opt no-new-privileges", "--read-only", "--tmpfs /tmp:rw,"]
)
def test_the_container_is_a_wall(load: Load, part: str) -> None:
    assert part in arguments(load)
    assert part not in arguments(load, sudo=True)


def test_who_may_have_sudo_gets_it_by_the_start_script_of_the_image(load: Load) -> None:
    assert "--user root --env GRANT_SUDO=yes" in arguments(load, sudo=True)


def test_the_health_check_asks_below_the_students_own_path(load: Load) -> None:
    assert "http://127.0.0.1:8888/ada/api" in arguments(load)


@pytest.mark.parametrize(
    ("settings", "offset"),
    [
        ("", 0),
        ("{}", 0),
        ('{"userns-remap": "dstk-remap"}', 700000),
        ('{"userns-remap": "dstk-remap:dstk-remap"}', 700000),
    ],
)
def test_the_ids_of_a_host_are_known_by_its_docker(load: Load, settings: str, offset: int) -> None:
    ranges = "ubuntu:100000:65536\ndstk-remap:700000:65536\n"
    assert load("module_utils/dstk_notebooks").find_id_offset(settings, ranges) == offset


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"shared": False, "disk": 30}, 14),
        ({"disk": 40, "seats": 8}, 3),
        ({"disk": 40}, 6),
        ({"disk": 20, "seats": 8}, 1),
        ({"home": 5}, 5),
    ],
)
def test_a_home_is_an_equal_part_of_the_disk_where_nothing_is_said(
    load: Load, options: dict[str, Any], size: int
) -> None:
    assert {notebook["home"] for notebook in served(load, **options)} == {size}


def test_a_limit_is_never_more_than_the_host_has(load: Load) -> None:
    limits = load("module_utils/dstk_notebooks").find_limits({"memory": 4096, "cpus": 8}, memory_mb=2048, processors=2)
    assert limits == (1536, 2.0)


def test_another_image_is_another_definition(load: Load) -> None:
    find = load("module_utils/dstk_notebooks").find_definition
    assert find(["a"], "sha256:1") != find(["a"], "sha256:2")


@pytest.mark.parametrize(
    ("labels", "status", "action"),
    [
        ({"dstk.definition": "x"}, "running", "unchanged"),
        ({"dstk.definition": "x"}, "exited", "started"),
        ({"dstk.definition": "y"}, "running", "replaced"),
        ({}, "running", "replaced"),
    ],
)
def test_a_container_is_touched_only_where_it_has_to_be(
    load: Load, labels: dict[str, str], status: str, action: str
) -> None:
    container = {"Config": {"Labels": labels}, "State": {"Status": status}}
    assert load("modules/dstk_notebooks").find_action(container, "x") == action


@pytest.mark.parametrize(
    "said",
    [
        "Bind for 0.0.0.0:8888 failed: port is already allocated",
        "listen tcp4 0.0.0.0:8888: bind: address already in use",
    ],
)
def test_a_taken_port_says_to_choose_another(load: Load, said: str) -> None:
    assert "Fix: set notebook_port" in load("module_utils/dstk_notebooks").find_run_message(said, 8888)


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("ERROR: No matching distribution found for nonsuch", "The package nonsuch was not found"),
        ("E: Unable to locate package nonsuch", "The package nonsuch was not found"),
        ("write: no space left on device", "raise volume_size"),
    ],
)
def test_a_failed_build_says_what_mends_it(load: Load, said: str, fix: str) -> None:
    assert fix in load("modules/dstk_notebook_image").find_message(said, "img:1")


def test_how_the_host_reaches_its_index_ends_in_no_layer(load: Load) -> None:
    recipe = load("modules/dstk_notebook_image").find_dockerfile("img:1", ["polars"], [], ["pip", "ca"])
    assert "RUN --mount=type=secret,id=pip,mode=0444 --mount=type=secret,id=ca,mode=0444" in recipe


def test_a_missing_branch_says_to_correct_it(load: Load) -> None:
    said = "fatal: couldn't find remote ref main"
    assert "Fix: correct course_branch" in load("modules/dstk_notebook_course").find_message(said, "ada", "https://x/y")


TAKEN = [{"student": "ada", "seat": 1}, {"student": "gone", "seat": 3}]


def test_the_proxy_serves_every_seat_of_a_host_whoever_the_run_is_for(load: Load) -> None:
    assert load("filter/dstk_notebooks").dstk_host_sites(TAKEN, port=8888) == [
        {"student": "ada", "port": 8888, "name": ""},
        {"student": "gone", "port": 8890, "name": ""},
    ]


def test_with_a_domain_each_notebook_has_a_name(load: Load) -> None:
    sites = load("filter/dstk_notebooks").dstk_host_sites(TAKEN, port=8888, domain="class.example.edu")
    assert [site["name"] for site in sites] == ["ada.class.example.edu", "gone.class.example.edu"]
