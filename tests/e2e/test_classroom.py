"""An instructor's tools, with two students on one host: send, collect, run, takehome, export, pull."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.classroom import on_host
from support.course import Course
from support.environment import BIN, ROOT
from support.user import Api, User

BOTH = {"ada", "ben"}


@pytest.fixture(scope="module")
def teacher(pair_teacher: User, pair: dict[str, Any]) -> User:
    """Who stands in the folder of the class, whose notebooks are ready."""
    return pair_teacher


def answers(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {answer["student"]: answer for answer in document["answers"]}


def in_home(teacher: User, student: str, line: str) -> str:
    """What a student does, or sees, in the own notebook."""
    done = teacher.dstk("run", "--limit", student, "--json", "--", line)
    output: str = json.loads(done.stdout)["answers"][0]["stdout"]
    return output


def test_more_packages_are_in_every_notebook(teacher: User) -> None:
    line = "tree --version >/dev/null && python -c 'import humanize; print(humanize.intcomma(1000))'"
    done = answers(json.loads(teacher.dstk("run", "--json", "--", line).stdout))
    assert {name: row["stdout"] for name, row in done.items()} == dict.fromkeys(BOTH, "1,000\n")


def test_more_packages_are_added_to_the_image_once_a_host(teacher: User) -> None:
    (host,) = {book["instance_id"] for book in teacher.document("status")["notebooks"]}
    images = on_host(host, "docker", "images", "--quiet", "dstk/notebook").stdout.split()
    assert len(images) == 1


def test_what_is_sent_is_in_every_home_and_an_edit_stays(teacher: User) -> None:
    (teacher.folder / "week1").mkdir()
    (teacher.folder / "week1" / "task.py").write_text("x = 1\n")
    assert {row["counts"]["sent"] for row in teacher.document("send", "week1", "--to", "work")["answers"]} == {1}
    in_home(teacher, "ada", "echo 'x = 2' > work/week1/task.py")
    (teacher.folder / "week1" / "task.py").write_text("x = 3\n")
    again = answers(teacher.document("send", "week1", "--to", "work"))
    assert (again["ada"]["kept"], again["ben"]["sent"]) == (["work/week1/task.py"], ["work/week1/task.py"])
    assert in_home(teacher, "ada", "cat work/week1/task.py") == "x = 2\n"


def test_what_students_made_is_collected_once_and_nothing_is_written_over(teacher: User) -> None:
    teacher.dstk("run", "--", "mkdir -p hw; echo 1 > hw/answer; ln -sf /etc/passwd hw/link; chmod u+s hw/answer")
    first = answers(teacher.document("collect", "hw"))
    assert {row["state"] for row in first.values()} == {"fetched"}
    in_home(teacher, "ada", "echo 2 > hw/answer")
    second = answers(teacher.document("collect", "hw"))
    assert (second["ada"]["state"], second["ben"]["state"]) == ("fetched", "unchanged")
    student = teacher.folder / "collected" / "ada"
    assert (student / "hw/answer").read_text() == "2\n"
    assert (student / second["ada"]["earlier"] / "answer").read_text() == "1\n"
    assert sorted(path.name for path in student.rglob("link")) == []


def test_a_collection_that_was_cut_short_goes_on(teacher: User) -> None:
    teacher.dstk("run", "--", "echo 1 > essay")
    teacher.dstk("collect", "essay", "--limit", "ada")
    states = {name: row["state"] for name, row in answers(teacher.document("collect", "essay")).items()}
    assert states == {"ada": "unchanged", "ben": "fetched"}


def test_a_command_that_fails_for_one_fails_for_one(teacher: User) -> None:
    in_home(teacher, "ada", "touch only-ada")
    done = teacher.dstk("run", "--json", "--", "id -u; ls only-ada", check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"], [row["student"] for row in document["failures"]]) == (1, False, ["ben"])
    assert answers(document)["ada"]["stdout"] == "1000\nonly-ada\n"
    assert "No such file" in answers(document)["ben"]["stderr"]


def test_archives_are_checked_by_sha256sum_and_hold_no_key_to_the_notebook(teacher: User) -> None:
    in_home(teacher, "ada", "echo work > mine.txt")
    document = teacher.document("takehome")
    assert {row["student"] for row in document["answers"]} == BOTH
    folder = teacher.folder / "takehome"
    teacher.shell("sh", "-c", "cd takehome && sha256sum --check --strict SHA256SUMS")
    names = teacher.shell("tar", "tzf", str(folder / "ada.tar.gz")).stdout.splitlines()
    assert "ada/mine.txt" in names
    assert [name for name in names if "runtime" in name] == []


def test_an_export_holds_the_whole_home_and_no_second_one_writes_over_it(teacher: User) -> None:
    in_home(teacher, "ada", "mkdir -p .cache && echo kept > .cache/mine.txt")
    found = answers(teacher.document("export", "--limit", "ada"))
    archive = teacher.folder / "export/ada.tar.zst"
    assert (found["ada"]["place"], found["ada"]["state"]) == (str(archive), "fetched")
    teacher.shell("sh", "-c", "cd export && sha256sum --check --strict SHA256SUMS")
    assert teacher.shell("sh", "-c", f"zstd -dc {archive} | tar xO ada/.cache/mine.txt").stdout == "kept\n"
    in_home(teacher, "ada", "echo news > mine.txt")
    earlier = answers(teacher.document("export", "--limit", "ada"))["ada"]["earlier"]
    assert (teacher.folder / "export" / earlier).is_file()


def test_plain_ansible_exports_to_a_bucket_and_keeps_what_was_there(teacher: User, api: Api) -> None:
    s3 = api.client("s3")
    s3.create_bucket(Bucket="homes", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="homes", Key="pair/ben.tar.zst", Body=b"of before")
    engineer = User(ROOT, teacher.environment | api.environment)
    variables = {"dstk_config": str(teacher.folder / "dstk.yml"), "notebook_files_into": "s3://homes/pair"}
    engineer.shell(str(BIN / "ansible-playbook"), "playbooks/export.yml", "-e", json.dumps(variables))
    names = [row["Key"] for row in s3.list_objects_v2(Bucket="homes", Prefix="pair/ben.")["Contents"]]
    assert (len(names), names[-1]) == (2, "pair/ben.tar.zst")
    body = s3.get_object(Bucket="homes", Key="pair/ada.tar.zst")
    assert hashlib.sha256(body["Body"].read()).hexdigest() == body["Metadata"]["sha256"]


def test_news_of_the_course_come_without_a_conflict(teacher: User, course: Course) -> None:
    in_home(teacher, "ada", "cd materials && echo mine > same.txt && echo mine > new.txt")
    course.publish({"same.txt": "two\n", "going.txt": None, "new.txt": "theirs\n"})
    pulled = answers(teacher.document("pull"))
    assert pulled["ada"]["commit"]
    assert in_home(teacher, "ada", "cd materials && cat same.txt") == "mine\n"
    assert in_home(teacher, "ada", "cd materials && cat new.txt; ls going.txt 2>&1 >/dev/null | wc -l") == "theirs\n1\n"
    assert "mine" in in_home(teacher, "ada", "cd materials && cat new_*")
    assert in_home(teacher, "ben", "cd materials && cat same.txt new.txt staying.txt") == "two\ntheirs\none\n"


def test_plain_ansible_does_the_same(teacher: User, api: Api) -> None:
    (teacher.folder / "note.txt").write_text("from Ansible\n")
    engineer = User(ROOT, teacher.environment | api.environment)
    variables = {
        "dstk_config": str(teacher.folder / "dstk.yml"),
        "notebook_files_paths": [str(teacher.folder / "note.txt")],
        "dstk_limit": "ben",
    }
    engineer.shell(str(BIN / "ansible-playbook"), "playbooks/send.yml", "-e", json.dumps(variables))
    assert in_home(teacher, "ben", "cat note.txt") == "from Ansible\n"


def test_no_password_stands_in_a_log(teacher: User) -> None:
    passwords = [row["password"] for row in teacher.document("status")["notebooks"]]
    folder = Path(teacher.environment["HOME"], ".local/share/dstk/pair/logs")
    logs = "".join(path.read_text() for path in folder.glob("*.log"))
    assert re.search("takehome", logs)
    assert [password for password in passwords if password in logs] == []


def test_a_student_whose_notebook_is_down_is_one_failure(teacher: User) -> None:
    teacher.dstk("ssh", "--student", "ben", "--", "docker", "stop", "--time", "0", "dstk-ben")
    done = teacher.dstk("run", "--json", "--", "true", check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, {*answers(document)}, [row["student"] for row in document["failures"]]) == (
        *(1, {"ada"}, ["ben"]),
    )
    assert "dstk up" in document["failures"][0]["fix"]
