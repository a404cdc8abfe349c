"""A class of six on two shared hosts, from a roster: seats, limits, one failure, who comes and who goes."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import browser
from support.classroom import books, in_notebook, log_in, on_host, starts
from support.environment import BIN, ROOT
from support.user import Api, User

pytestmark = pytest.mark.usefixtures("baking")

STUDENTS = ("ada", "bob", "cleo", "dan", "eve", "finn")
CONFIG = """
deployment: shared
roster: roster.csv
placement: shared
students_per_host: 3
instance_type: t3.large
notebook_memory: 512
"""
EAT = "import sys; sys.stdout.write('begun'); sys.stdout.flush(); x = b'x' * (700 << 20); print('had it')"


def write_roster(teacher: User, *students: str, images: dict[str, str] | None = None) -> None:
    """Put these students, and no others, into the roster."""
    lines = [f"{name},{name}@example.org,{(images or {}).get(name, '')}\n" for name in students]
    (teacher.folder / "roster.csv").write_text("login,email,image\n" + "".join(lines))


@pytest.fixture(scope="module")
def teacher(user: User) -> Iterator[User]:
    """Somebody who stands in the folder of a course."""
    folder = user.folder / "shared"
    folder.mkdir()
    (folder / "dstk.yml").write_text(CONFIG)
    ada = User(folder, user.environment)
    write_roster(ada, *STUDENTS)
    yield ada
    ada.dstk("destroy", "--sandbox", "--yes")


@pytest.fixture(scope="module")
def deployed(teacher: User) -> dict[str, Any]:
    """The document of the first `dstk up`."""
    return teacher.document("up", "--sandbox", "--yes")


def instances(document: dict[str, Any]) -> list[str]:
    """The hosts of a class, each once."""
    return list(dict.fromkeys(notebook["instance_id"] for notebook in document["notebooks"]))


def test_every_student_has_a_notebook_in_the_order_of_the_roster(deployed: dict[str, Any]) -> None:
    assert [(book["student"], book["state"]) for book in deployed["notebooks"]] == [(n, "ready") for n in STUDENTS]
    assert (deployed["ok"], deployed["gone"]) == (True, [])


def test_two_hosts_have_three_seats_each(deployed: dict[str, Any]) -> None:
    seats = [(book["instance_id"], book["seat"]) for book in deployed["notebooks"]]
    assert sorted(seats) == sorted((host, seat) for host in instances(deployed) for seat in (1, 2, 3))
    assert len(instances(deployed)) == 2


def test_the_tags_say_who_sits_where(deployed: dict[str, Any], api: Api) -> None:
    tags = {row["InstanceId"]: {t["Key"]: t["Value"] for t in row["Tags"]} for row in api.tagged("shared")["instance"]}
    for book in deployed["notebooks"]:
        assert tags[book["instance_id"]][f"dstk:seat:{book['seat']:02d}"].split()[0] == book["student"]


def test_a_class_behind_one_address_may_mistype_before_it_is_locked_out(deployed: dict[str, Any]) -> None:
    host, *_ = instances(deployed)
    assert on_host(host, "fail2ban-client", "get", "dstk-notebook", "maxretry").stdout.strip() == "15"


@pytest.mark.parametrize("student", STUDENTS)
def test_a_student_logs_in_at_the_own_link_with_the_own_password(deployed: dict[str, Any], student: str) -> None:
    book = books(deployed)[student]
    assert log_in(book, deployed["tls"]).read("api/contents") == 200


def test_a_neighbours_password_opens_nothing(deployed: dict[str, Any]) -> None:
    neighbours = {book["seat"]: book for book in deployed["notebooks"] if book["instance_id"] == instances(deployed)[0]}
    assert log_in({**neighbours[1], "password": neighbours[2]["password"]}, deployed["tls"]).read("api/contents") == 403


def test_a_browser_logs_in_and_plots(deployed: dict[str, Any]) -> None:
    book = books(deployed)["bob"]
    with browser.page(deployed["tls"]) as page:
        browser.log_in(page, book["url"], book["password"])
        assert min(browser.run_plot(page)) > 100


def test_whoever_eats_more_memory_than_the_seat_has_is_killed_and_the_neighbours_live(
    deployed: dict[str, Any],
) -> None:
    book = books(deployed)["bob"]
    before = starts([book["instance_id"]])
    eaten = in_notebook(book, "python", "-c", EAT)
    assert (eaten.stdout, eaten.returncode) == ("begun", 137)
    after = starts([book["instance_id"]])
    assert {name: when for name, when in after.items() if name != "bob"} == {
        name: when for name, when in before.items() if name != "bob"
    }


def test_status_says_how_much_memory_and_disk_each_has(deployed: dict[str, Any], teacher: User) -> None:
    for book in teacher.document("status", "--sandbox")["notebooks"]:
        assert 0 < book["memory_used"] < book["memory_limit"] <= 512 << 20
        assert book["disk_free"] > 0


def test_a_limit_shows_only_some(deployed: dict[str, Any], teacher: User) -> None:
    shown = teacher.document("status", "--sandbox", "--limit", "dan,ada")
    assert [book["student"] for book in shown["notebooks"]] == ["ada", "dan"]


def test_a_missing_image_is_one_students_failure_and_the_next_run_repairs_it(
    deployed: dict[str, Any], teacher: User
) -> None:
    before = starts(instances(deployed))
    write_roster(teacher, *STUDENTS, images={"finn": "quay.io/jupyter/no-such-notebook:2026-01-01"})
    done = teacher.document("up", "--sandbox", "--yes", check=False)
    assert [failure["student"] for failure in done["failures"]] == ["finn"]
    assert done["failures"][0]["fix"]
    assert {book["student"] for book in done["notebooks"] if book["state"] == "ready"} >= set(STUDENTS) - {"finn"}
    write_roster(teacher, *STUDENTS)
    repaired = teacher.document("up", "--sandbox", "--yes")
    assert {book["state"] for book in repaired["notebooks"]} == {"ready"}
    after = starts(instances(deployed))
    assert {name: when for name, when in after.items() if name != "finn"} == {
        name: when for name, when in before.items() if name != "finn"
    }


def test_who_has_gone_is_told_and_left_alone(deployed: dict[str, Any], teacher: User) -> None:
    before = starts(instances(deployed))
    write_roster(teacher, *(name for name in STUDENTS if name != "cleo"))
    document = teacher.document("up", "--sandbox", "--yes")
    assert [gone["student"] for gone in document["gone"]] == ["cleo"]
    assert starts(instances(deployed)) == before


def test_pruning_archives_the_work_before_it_removes(deployed: dict[str, Any], teacher: User) -> None:
    book = books(deployed)["cleo"]
    in_notebook(book, "sh", "-c", "echo 'my work' > /home/jovyan/thesis.txt")
    before = starts(instances(deployed))
    document = teacher.document("up", "--sandbox", "--yes", "--prune")
    [pruned] = document["pruned"]
    with tarfile.open(pruned["archive"]) as archive:
        [name] = [name for name in archive.getnames() if name.endswith("thesis.txt")]
        kept = archive.extractfile(name)
        assert kept is not None
        assert kept.read() == b"my work\n"
    assert Path(pruned["archive"]).stat().st_mode & 0o077 == 0
    assert starts(instances(deployed)) == {name: when for name, when in before.items() if name != "cleo"}
    assert on_host(book["instance_id"], "ls", "/srv/dstk").stdout.split().count("cleo") == 0
    assert (document["ok"], document["gone"]) == (True, [])


def test_a_new_student_takes_the_free_seat_and_nobody_is_restarted(deployed: dict[str, Any], teacher: User) -> None:
    free = books(deployed)["cleo"]
    before = starts(instances(deployed))
    write_roster(teacher, "gus", *(name for name in STUDENTS if name != "cleo"))
    new = books(teacher.document("up", "--sandbox", "--yes", "--limit", "gus"))["gus"]
    assert (new["instance_id"], new["seat"], new["state"]) == (free["instance_id"], free["seat"], "ready")
    after = starts(instances(deployed))
    assert {name: when for name, when in after.items() if name != "gus"} == before


def test_plain_ansible_finds_the_same_class_and_changes_nothing(
    deployed: dict[str, Any], teacher: User, api: Api
) -> None:
    before = starts(instances(deployed))
    engineer = User(ROOT, teacher.environment | api.environment)
    config = f"dstk_config={teacher.folder / 'dstk.yml'}"
    done = engineer.shell(str(BIN / "ansible-playbook"), "site.yml", "-e", config)
    recap = re.findall(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)", done.stdout, flags=re.MULTILINE)
    assert {host for host, _ in recap} == {"localhost", *instances(deployed)}
    assert {host: changed for host, changed in recap if changed != "0"} == {}
    assert starts(instances(deployed)) == before


def test_one_command_takes_the_class_away(deployed: dict[str, Any], teacher: User, api: Api) -> None:
    assert teacher.document("destroy", "--sandbox", "--yes")["ok"] is True
    assert api.left("shared") == {}
