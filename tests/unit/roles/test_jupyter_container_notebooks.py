"""What is wanted of a host's notebooks, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Filters = dict[str, Callable[..., Any]]

URLS = {"ada": "https://203.0.113.7/ada"}
ADA = {"student": "ada", "seat": 1, "port": 8888, "image": "img:1", "memory": 0, "cpus": 0}
BEN = {**ADA, "student": "ben", "seat": 2, "port": 8889}
KNOWN = {"instance_id": "i-1", "address": "203.0.113.7", "passwords": "/state/passwords", "folder": "", "opened": ""}


def container(status: str, *, code: int = 0, health: str = "") -> dict[str, object]:
    return {"status": status, "exit_code": code, "health": health}


def state(filters: Filters, notebook: dict[str, object], *, docker: bool = True, answered: bool = False) -> str:
    info = {"docker": docker, "notebooks": {"ada": notebook}}
    answers = ["ada"] if answered else []
    return str(filters["jupyter_container_states"](["ada"], "unreachable", {}, info, answers)["ada"])


@pytest.mark.parametrize(
    ("notebook", "answered", "expected"),
    [
        (container("running", health="healthy"), True, "ready"),
        (container("running", health="starting"), False, "starting"),
        (container("running", health="unhealthy"), False, "failed"),
        (container("restarting", code=1), False, "failed"),
        (container("exited"), False, "stopped"),
        (container("exited", code=143), False, "stopped"),
        (container("exited", code=137), False, "failed"),
        (container("missing"), False, "missing"),
    ],
)
def test_what_docker_and_http_say_is_a_state(
    jupyter_container: Filters, notebook: dict[str, object], answered: bool, expected: str
) -> None:
    assert state(jupyter_container, notebook, answered=answered) == expected


def test_a_host_without_docker_has_failed_notebooks(jupyter_container: Filters) -> None:
    assert state(jupyter_container, container("missing"), docker=False) == "failed"


def test_a_host_that_did_not_answer_has_notebooks_that_are_unreachable(jupyter_container: Filters) -> None:
    assert jupyter_container["jupyter_container_states"](["ada"], "unreachable", {}, {"unreachable": True}, []) == {
        "ada": "unreachable"
    }


@pytest.mark.parametrize("name", ["../root", "Ada", "", "-x", "a b"])
def test_a_student_whose_name_is_none_is_refused(jupyter_container: Filters, name: str) -> None:
    assert "Fix: set student to small letters" in jupyter_container["jupyter_container_mistakes"](
        [{**ADA, "student": name}], "d", "/srv/dstk"
    )


def test_two_notebooks_at_one_port_are_refused(jupyter_container: Filters) -> None:
    assert "same port" in jupyter_container["jupyter_container_mistakes"](
        [ADA, {**BEN, "port": 8888}], "d", "/srv/dstk"
    )


def test_notebooks_of_different_students_and_ports_are_fine(jupyter_container: Filters) -> None:
    assert jupyter_container["jupyter_container_mistakes"]([ADA, BEN], "d", "/srv/dstk") == ""


@pytest.mark.parametrize("homes", ["/home/ubuntu", "/root", "/etc/x", "/var/lib/docker/x", "/", "srv"])
def test_homes_that_would_open_the_machine_are_refused(jupyter_container: Filters, homes: str) -> None:
    assert "Fix: leave jupyter_container_homes" in jupyter_container["jupyter_container_mistakes"]([ADA], "d", homes)


def test_without_packages_the_image_itself_runs(jupyter_container: Filters) -> None:
    assert jupyter_container["jupyter_container_plan"]([ADA], {}, "")[0]["image"] == "img:1"


def test_with_packages_an_image_of_its_own_runs(jupyter_container: Filters) -> None:
    planned = jupyter_container["jupyter_container_plan"]([ADA], {"pip": ["polars"]}, "")[0]
    assert (planned["image"].partition(":")[0], planned["base"]) == ("dstk/notebook", "img:1")


def test_other_packages_make_another_image(jupyter_container: Filters) -> None:
    plan = jupyter_container["jupyter_container_plan"]
    assert plan([ADA], {"pip": ["a"]}, "")[0]["image"] != plan([ADA], {"apt": ["a"]}, "")[0]["image"]


def test_a_course_brings_what_fetches_it(jupyter_container: Filters) -> None:
    assert jupyter_container["jupyter_container_packages"]({}, "https://x/y")["pip"] == ["nbgitpuller"]


def test_a_version_of_nbgitpuller_that_is_asked_for_is_kept(jupyter_container: Filters) -> None:
    packages = {"pip": ["nbgitpuller==1.2"]}
    assert jupyter_container["jupyter_container_packages"](packages, "https://x/y")["pip"] == ["nbgitpuller==1.2"]


@pytest.mark.parametrize(
    "repo",
    ["https://github.com/data-8/materials", "https://x/materials.git", "https://x/materials/", "git@x:materials.git"],
)
def test_a_course_lies_in_a_folder_named_as_its_repository(jupyter_container: Filters, repo: str) -> None:
    assert jupyter_container["jupyter_container_course_folder"]("", repo) == "materials"


@pytest.mark.parametrize(
    ("name", "address", "url"),
    [
        ("", "203.0.113.7", "https://203.0.113.7/ada"),
        ("", "2001:db8::7", "https://[2001:db8::7]/ada"),
        ("ada.class.example.edu", "203.0.113.7", "https://ada.class.example.edu/ada"),
    ],
)
def test_a_notebook_is_below_its_name_or_the_address(
    jupyter_container: Filters, name: str, address: str, url: str
) -> None:
    assert jupyter_container["jupyter_container_urls"]([{**ADA, "name": name}], address) == {"ada": url}


def test_the_link_opens_the_file_of_the_course(jupyter_container: Filters) -> None:
    known = {**KNOWN, "folder": "materials", "opened": "week 1/a.ipynb"}
    told = jupyter_container["jupyter_container_published"]([ADA], known, {"ada": "ready"}, {})
    assert told["ada"]["url"] == "https://203.0.113.7/ada/lab/tree/materials/week%201/a.ipynb"


def test_what_is_not_known_of_a_notebook_is_null(jupyter_container: Filters) -> None:
    told = jupyter_container["jupyter_container_published"]([BEN], KNOWN, {"ben": "ready"}, {})
    assert (told["ben"]["memory_used"], told["ben"]["last_activity"], told["ben"]["seat"]) == (None, "", 2)


def test_a_failure_is_told_with_its_remedy_apart(jupyter_container: Filters) -> None:
    told = jupyter_container["jupyter_container_failures"](
        {"run": {"ada": "It broke\nFix: mend it"}}, "i-1", "Configure"
    )
    assert told == {
        "ada": {
            "host": "i-1",
            "student": "ada",
            "stage": "configure",
            "task": "run",
            "message": "It broke",
            "fix": "mend it",
        }
    }


def test_of_one_student_the_first_failure_counts(jupyter_container: Filters) -> None:
    told = jupyter_container["jupyter_container_failures"]({"pull": {"ada": "a"}, "run": {"ada": "b"}}, "i-1", "x")
    assert told["ada"]["task"] == "pull"


def test_a_failure_of_an_image_is_one_of_those_who_have_it(jupyter_container: Filters) -> None:
    plan = [{**ADA, "base": "img:1"}, {**BEN, "base": "img:2"}]
    assert jupyter_container["jupyter_container_all_of"]("gone", plan, "img:2") == {"ben": "gone"}


def test_a_jupyter_that_answers_its_host_only_points_to_the_network(jupyter_container: Filters) -> None:
    silent = {"ada": {"answers": True, "log": []}}
    said = jupyter_container["jupyter_container_silences"](silent, "i-1", URLS, 300, {"ada": "Connection refused"})
    assert "allowed_cidrs" in said["ada"]
    assert "Connection refused" in said["ada"]


def test_a_jupyter_that_is_silent_shows_its_log(jupyter_container: Filters) -> None:
    silent = {"ada": {"answers": False, "log": ["MemoryError"]}}
    said = jupyter_container["jupyter_container_silences"](silent, "i-1", URLS, 300, {})
    assert "MemoryError" in said["ada"]


def test_a_notebook_that_keeps_an_image_is_shown_with_it_and_says_why(jupyter_container: Filters) -> None:
    pin = {"instead_of": "img:2", "image": "img:1", "base": "img:1", "refused": "img:2"}
    known = {"instance_id": "i-1", "address": "192.0.2.1", "passwords": "/p", "folder": "", "opened": ""}

    def show(image: str) -> object:
        notebook = {"student": "ada", "seat": 1, "image": image}
        told: Any = jupyter_container["jupyter_container_published"](
            [notebook], known, {"ada": "ready"}, {"pins": {"ada": pin}}
        )
        return told["ada"]["image"]

    assert [show("img:2"), show("img:3")] == ["img:1", "img:3"]
    [line] = jupyter_container["jupyter_container_keepers"]({"ada": pin}, [{"student": "ada", "image": "img:2"}])
    assert "img:2 did not get healthy" in line


def test_who_is_back_on_the_old_image_is_told_of_both(jupyter_container: Filters) -> None:
    failure = {"student": "ada", "message": "it is silent", "fix": ""}
    told: Any = jupyter_container["jupyter_container_rolled_back"](
        {"ada": failure, "ben": failure, "eve": failure},
        {"ada": "img:1"},
        [{"student": "ada", "base": "img:2"}],
        {"eve": "The old container stays stopped: no room\nFix: docker start it."},
    )
    assert told["ada"]["message"].startswith("img:2 did not get healthy, and the notebook is back on img:1")
    assert told["ben"] == failure
    assert (told["eve"]["fix"], "no room" in told["eve"]["message"]) == ("docker start it.", True)
