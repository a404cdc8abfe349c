"""A class of three with an instance each, one of which is lost while it is configured."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import books, in_notebook, log_in, on_host, starts
from support.environment import BIN
from support.user import Api, User

pytestmark = pytest.mark.usefixtures("baking")

CONFIG = """
deployment: dedicated
students: [student01, student02, student03]
instance_type: t3.small
sudo: true
terminals: true
"""


@pytest.fixture(scope="module")
def teacher(user: User) -> Iterator[User]:
    """Somebody who stands in the folder of a course."""
    folder = user.folder / "dedicated"
    folder.mkdir()
    (folder / "dstk.yml").write_text(CONFIG)
    ada = User(folder, user.environment)
    yield ada
    ada.dstk("destroy", "--sandbox", "--yes")


@pytest.fixture(scope="module")
def broken(teacher: User, api: Api) -> dict[str, Any]:
    """The document of a first `dstk up` during which student02's host is lost while it is configured."""
    run = teacher.start(str(BIN / "dstk"), "up", "--sandbox", "--yes", "--json")
    while run.poll() is None and not configuring(teacher):
        time.sleep(0.1)
    subprocess.run(["docker", "kill", f"dstk-{host_of(api, 'student02')}"], capture_output=True, check=True)
    shown, told = run.communicate(timeout=900)
    assert run.returncode == 1, told
    document: dict[str, Any] = json.loads(shown)
    return document


@pytest.fixture(scope="module")
def before(broken: dict[str, Any]) -> dict[str, str]:
    """When the containers of the first run were started, by student."""
    return starts(book["instance_id"] for book in broken["notebooks"] if book["state"] == "ready")


@pytest.fixture(scope="module")
def deployed(teacher: User, before: dict[str, str]) -> dict[str, Any]:
    """The document of the next run, for a class that has grown by one meanwhile."""
    (teacher.folder / "dstk.yml").write_text(CONFIG.replace("student03]", "student03, student04]"))
    return teacher.document("up", "--sandbox", "--yes")


def configuring(teacher: User) -> bool:
    """Whether the run is at the hosts."""
    logs = Path(teacher.environment["HOME"], ".local/share/dstk/dedicated/logs")
    return any("TASK [docker_host : " in log.read_text(errors="replace") for log in logs.glob("*-up.log"))


def host_of(api: Api, student: str) -> str:
    """The id of a student's instance."""
    for row in api.tagged("dedicated")["instance"]:
        if {"Key": "dstk:student", "Value": student} in row["Tags"]:
            return str(row["InstanceId"])
    raise AssertionError(f"{student} has no instance")


def test_a_lost_host_is_one_students_failure_and_the_others_are_served(broken: dict[str, Any]) -> None:
    assert {failure["student"] for failure in broken["failures"]} == {"student02"}
    assert {failure["host"] for failure in broken["failures"]} != {None}
    ready = [book["student"] for book in broken["notebooks"] if book["state"] == "ready"]
    assert ready == ["student01", "student03"]


def test_the_next_run_repairs_it_and_serves_who_is_new(deployed: dict[str, Any]) -> None:
    states = [(book["student"], book["state"]) for book in deployed["notebooks"]]
    assert states == [(f"student0{n}", "ready") for n in (1, 2, 3, 4)]
    assert deployed["failures"] == []


def test_everybody_keeps_the_instance_that_the_first_run_gave(broken: dict[str, Any], deployed: dict[str, Any]) -> None:
    hosts = {name: book["instance_id"] for name, book in books(deployed).items()}
    assert {name: hosts[name] for name in books(broken)} == {n: b["instance_id"] for n, b in books(broken).items()}
    assert len(set(hosts.values())) == 4


@pytest.mark.parametrize("student", ["student01", "student02", "student04"])
def test_a_student_logs_in_at_the_own_link_with_the_own_password(deployed: dict[str, Any], student: str) -> None:
    book = books(deployed)[student]
    assert log_in(book, deployed["tls"]).read("api/contents") == 200


def test_who_may_be_root_in_the_container_is_nobody_on_the_host(deployed: dict[str, Any]) -> None:
    book = books(deployed)["student01"]
    made = in_notebook(book, "sh", "-c", "sudo -n id -u && sudo -n touch /home/jovyan/made-by-root")
    assert made.stdout == "0\n", made.stderr
    home = "/srv/dstk/student01/home/made-by-root"
    assert on_host(book["instance_id"], "stat", "-c", "%u:%g", home).stdout == "700000:700000\n"


def test_terminals_that_were_asked_for_are_there(deployed: dict[str, Any]) -> None:
    owner = Attacker(books(deployed)["student01"], str(deployed["tls"]["ca_file"]))
    owner.log_in(owner.notebook["password"])
    made = owner.ask("POST", f"{owner.base}/api/terminals", "{}", X_XSRFToken=owner.cookies["_xsrf"])
    assert (made.status, json.loads(made.body)["name"]) == (200, "1")


def test_nobody_else_was_restarted(deployed: dict[str, Any], before: dict[str, str]) -> None:
    after = starts(book["instance_id"] for book in deployed["notebooks"])
    assert set(before) == {"student01", "student03"}
    assert {student: after[student] for student in before} == before


def test_pruning_ends_the_host_of_who_has_gone(deployed: dict[str, Any], teacher: User, api: Api) -> None:
    (teacher.folder / "dstk.yml").write_text(CONFIG.replace("student01, ", ""))
    document = teacher.document("up", "--sandbox", "--yes", "--prune")
    assert sorted(pruned["student"] for pruned in document["pruned"]) == ["student01", "student04"]
    left = {row["InstanceId"] for row in api.tagged("dedicated")["instance"]}
    assert left == {books(deployed)[name]["instance_id"] for name in ("student02", "student03")}
