"""Bad input and faults: a clear error, the right exit code, nothing half-made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import BIN
from support.user import Api, User

OPTIONS = ("--sandbox", "--deployment", "oops")


@pytest.fixture(autouse=True)
def no_fault_is_left(api: Api) -> Iterator[None]:
    """What one test ordered must not reach the next."""
    yield
    api.clear_faults()


def refused(user: User, *arguments: str, code: int) -> str:
    """Run a command that has to fail, in a few lines and without a trace; hand back what it said."""
    done = user.dstk(*arguments, check=False, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == code, said[-4000:]
    assert "Traceback" not in said
    return said


def with_file(user: User, folder: Path, text: str) -> User:
    """The same user in another folder, with a dstk.yml."""
    (folder / "dstk.yml").write_text(text)
    return User(folder, user.environment)


def test_every_mistake_of_the_file_is_named_with_line_field_and_nearest_name(
    user: User, api: Api, tmp_path: Path
) -> None:
    text = "deployment: oops\nregoin: us-west-2\nvolume_size: 4\nvolume_size: 5\ninstance_type: huge\n"
    said = refused(with_file(user, tmp_path, text), "up", "--yes", "--sandbox", code=2)
    for words in ("dstk.yml:2", "regoin", "region", "dstk.yml:4", "volume_size", "dstk.yml:5", "instance_type"):
        assert words in said
    assert api.left("oops") == {}


def test_every_mistake_of_the_roster_is_named_with_its_line(user: User, api: Api, tmp_path: Path) -> None:
    rows = "Ada,ada,\nGrace,grace@example.org,huge\n,,\n,,t3.large\n"
    (tmp_path / "roster.csv").write_text(f"name,email,instance_type\n{rows}")
    teacher = with_file(user, tmp_path, "deployment: oops\nroster: roster.csv\n")
    said = refused(teacher, "up", "--yes", "--sandbox", code=2)
    for words in ("roster.csv:2: email", "roster.csv:3: instance_type", "roster.csv:5: nobody is named"):
        assert words in said
    assert api.left("oops") == {}


def test_a_class_beyond_the_quota_is_refused_before_the_first_launch(user: User, api: Api, tmp_path: Path) -> None:
    students = ", ".join(f"student{number:02d}" for number in range(1, 31))
    teacher = with_file(user, tmp_path, f"deployment: oops\nstudents: [{students}]\ninstance_type: m7i.large\n")
    said = refused(teacher, "up", "--yes", "--sandbox", code=1)
    assert "60 more are asked for" in said
    assert "L-1216C47A" in said
    assert api.left("oops") == {}


@pytest.mark.parametrize(
    ("flag", "value", "named"),
    [
        ("--region", "us-nowhere-7", "us-nowhere-7"),
        ("--region", "af-south-1", "af-south-1"),
        ("--instance-type", "z9.mega", "z9.mega"),
        ("--deployment", "Has Spaces", "Has Spaces"),
        ("--volume-size", "99999", "99999"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_is_made(
    user: User, api: Api, flag: str, value: str, named: str
) -> None:
    said = refused(user, "up", "--yes", *OPTIONS, flag, value, code=2)
    assert named in said
    assert api.left("oops") == {}


def test_without_credentials_it_says_how_to_get_some(user: User, api: Api) -> None:
    bare = {name: value for name, value in api.environment.items() if "KEY" not in name}
    nobody = User(user.folder, user.environment | bare)
    assert "aws configure" in refused(nobody, "up", "--yes", "--deployment", "oops", code=1)


def test_expired_credentials_are_called_expired(user: User, api: Api) -> None:
    api.inject(action="*", fault="expired", count=1000)
    said = refused(user, "up", "--yes", *OPTIONS, code=1)
    assert "expired" in said.lower()
    api.clear_faults()
    assert api.left("oops") == {}


def test_no_ssh_client_is_noticed_before_anything_is_made(user: User, api: Api, tmp_path: Path) -> None:
    for name in ("python", "python3", "dstk", "ansible-playbook", "ansible-inventory", "env", "bash", "sh"):
        found = next(f for f in [BIN / name, Path("/usr/bin", name), Path("/bin", name)] if f.exists())
        (tmp_path / name).symlink_to(found)
    lacking = User(user.folder, user.environment | {"PATH": str(tmp_path)})
    assert "openssh-client" in refused(lacking, "up", "--yes", *OPTIONS, code=1)
    assert api.left("oops") == {}


def test_an_image_that_does_not_exist_is_named_and_the_next_run_goes_on(user: User, api: Api) -> None:
    wrong = "quay.io/jupyter/datascience-notebook:no-such-tag"
    document = user.document("up", "--yes", *OPTIONS, "--notebook-image", wrong, check=False)
    assert document["ok"] is False
    [failure] = document["failures"]
    assert wrong in failure["message"]
    assert "notebook_image" in failure["fix"]
    assert failure["student"] == "ada"
    # what will never be used stops all the same
    timer = user.dstk("ssh", *OPTIONS, "--", "systemctl", "is-active", "dstk-idle.timer", check=False)
    assert timer.stdout.strip() == "active", timer.stderr
    [idle] = user.document("status", *OPTIONS, check=False)["idle"]
    assert idle["looked_at"]
    assert idle["late"] is False
    [made] = api.tagged("oops")["instance"]
    repaired = user.document("up", "--yes", *OPTIONS)
    assert [notebook["instance_id"] for notebook in repaired["notebooks"]] == [made["InstanceId"]]


def test_destroy_copes_with_what_was_deleted_by_hand(user: User, api: Api) -> None:
    """The deployment is the one of the test before."""
    tagged = api.tagged("oops")
    api.client().delete_key_pair(KeyPairId=tagged["key pair"][0]["KeyPairId"])
    api.client().terminate_instances(InstanceIds=[tagged["instance"][0]["InstanceId"]])
    receipt = user.document("destroy", "--yes", *OPTIONS)
    assert receipt["ok"] is True
    assert api.left("oops") == {}


def test_destroy_asks_and_takes_no_for_an_answer(user: User, api: Api) -> None:
    assert "--yes" in refused(user, "destroy", *OPTIONS, code=2)
