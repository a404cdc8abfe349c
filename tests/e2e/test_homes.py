"""The work outlives its host: its volume grows, is attached again, and is deleted only when that is asked for."""

from __future__ import annotations

import time
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from support.classroom import in_notebook, log_in, on_host, starts
from support.user import Api, User

pytestmark = pytest.mark.usefixtures("baking")

KEYS = """
deployment: homes
target: sandbox
instance_type: t3.small
student: ada
home_size: 1
"""


@pytest.fixture(scope="module")
def ada(user: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Who stands in the folder of the deployment."""
    folder = tmp_path_factory.mktemp("homes")
    (folder / "dstk.yml").write_text(KEYS)
    ada = User(folder, user.environment)
    yield ada
    ada.dstk("destroy", "--yes", "--delete-data", "--no-final-backup")


def find_volume(api: Api) -> dict[str, Any]:
    """The volume with the home."""
    found = [row for row in api.tagged("homes")["volume"] if {"Key": "dstk:homes", "Value": "ada"} in row["Tags"]]
    assert len(found) == 1
    return found[0]


def find_size(notebook: dict[str, Any]) -> int:
    """The GiB of the file system with the homes, rounded."""
    said = on_host(notebook["instance_id"], "df", "--output=size", "--block-size=1", "/srv/dstk").stdout.split()[-1]
    return round(int(said) / 1024**3)


@pytest.mark.timeout(2400)  # a whole life with four starts of a host, on a machine that may have other work
def test_the_work_outlives_the_host_and_is_deleted_only_when_asked(ada: User, api: Api) -> None:
    [notebook] = ada.document("up", "--yes")["notebooks"]
    volume = find_volume(api)
    assert (volume["Size"], volume["Encrypted"], find_size(notebook)) == (10, True, 10)
    in_notebook(notebook, "sh", "-c", "echo mine > proof; sync")

    # it grows while the notebook goes on
    before = starts([notebook["instance_id"]])
    larger = replace(ada, environment={**ada.environment, "DSTK_HOME_VOLUME_SIZE": "12"})
    larger.document("up", "--yes")
    assert (find_volume(api)["Size"], find_size(notebook)) == (12, 12)
    assert starts([notebook["instance_id"]]) == before

    # somebody ends the instance behind dstk's back
    api.client().terminate_instances(InstanceIds=[notebook["instance_id"]])
    document = larger.document("up", "--yes")
    [again] = document["notebooks"]
    assert again["instance_id"] != notebook["instance_id"]
    assert find_volume(api)["VolumeId"] == volume["VolumeId"]
    assert in_notebook(again, "cat", "proof").stdout == "mine\n"

    document = check_backup(larger, document)
    volume = find_volume(api)
    check_full_home(ada, document)

    receipt = ada.document("destroy", "--yes")
    assert receipt["ok"] is True
    kept = {row["id"]: row for row in receipt["kept"]}
    ours = kept[volume["VolumeId"]]
    assert (ours["homes"], ours["gigabytes"], ours["usd_month"]) == ("ada", 12, 0.96)
    # that which a restore has replaced is somebody's work, too, and so is the backup
    assert sorted(row["kind"] for row in kept.values()) == ["snapshot", "volume", "volume"]
    assert volume["VolumeId"] in [row["id"] for row in ada.document("status")["kept"]]
    assert api.left("homes") == {}

    receipt = ada.document("destroy", "--yes", "--delete-data")
    assert receipt["ok"] is True
    backups = receipt["kept"]
    assert {(row["kind"], row["homes"], bool(row["expires"])) for row in backups} == {("snapshot", "ada", True)}
    assert volume["VolumeId"] in {row["id"] for row in receipt["resources"] if row["gone"]}
    assert not api.tagged("homes")["volume"]

    # nothing is left but snapshots, and of these all comes back
    restored = ada.document("restore", "--latest", "--yes")
    assert [item["homes"] for item in restored["restored"]] == ["ada"]
    [last] = ada.document("up", "--yes")["notebooks"]
    assert last["instance_id"] != again["instance_id"]
    assert in_notebook(last, "cat", "proof").stdout.startswith("mine\n")


def check_backup(ada: User, document: dict[str, Any]) -> dict[str, Any]:
    """What is lost after a backup comes back: into a folder beside the work of now, or in its place."""
    [notebook] = document["notebooks"]
    [made] = ada.document("backup")["backups"]
    assert (made["homes"], made["kind"]) == ("ada", "backup")
    in_notebook(notebook, "sh", "-c", "echo spoilt > proof; sync")
    ada.document("restore", "--latest", "--student", "ada")
    assert in_notebook(notebook, "sh", "-c", "cat proof restored-*/proof").stdout == "spoilt\nmine\n"
    restored = ada.document("restore", made["id"], "--yes")
    assert [item["homes"] for item in restored["restored"]] == ["ada"]
    [again] = restored["notebooks"]
    assert in_notebook(again, "sh", "-c", "cat proof; ls -d restored-* 2>/dev/null | wc -l").stdout == "mine\n0\n"
    return ada.document("status")


def check_full_home(ada: User, document: dict[str, Any]) -> None:
    """A home without room keeps nobody out: what is in it can be deleted and fetched."""
    [notebook] = document["notebooks"]
    in_notebook(notebook, "sh", "-c", "cat /dev/zero > big 2>/dev/null; echo more >> proof")
    on_host(notebook["instance_id"], "docker", "restart", notebook["container"])
    deadline = time.monotonic() + 120
    while True:
        try:
            visitor = log_in(notebook, document["tls"])
            if visitor.read("api/contents") == 200:
                break
        except (urllib.error.URLError, OSError):
            pass
        assert time.monotonic() < deadline, "JupyterLab does not start in a home that is full"
        time.sleep(1)
    assert ada.document("status")["nearly_full"] == ["ada"]
    assert visitor.read("files/proof") == 200
    assert visitor.write("PUT", "api/contents/new.txt", {"type": "file", "format": "text", "content": "x"}) == 507
    assert visitor.write("DELETE", "api/contents/big") == 204
    assert visitor.write("PUT", "api/contents/new.txt", {"type": "file", "format": "text", "content": "x"}) == 201
