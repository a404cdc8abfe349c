"""The life of a deployment by its playbooks alone, with nothing but Ansible: dstk_runner cannot be imported."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from support.classroom import in_notebook, on_host
from support.environment import BIN, ROOT
from support.user import Api, User

DEPLOYMENT = "plain"
OTHER = "quay.io/jupyter/datascience-notebook:labelled"


@dataclass(frozen=True)
class Engineer(User):
    """Who runs playbooks, in a checkout."""

    def play(self, playbook: str, **variables: Any) -> str:
        """Run a playbook to its end, and return what it said."""
        given = {"dstk_deployment": DEPLOYMENT, "dstk_config": "", "dstk_student": "ada", **variables}
        command = (str(BIN / "ansible-playbook"), f"playbooks/{playbook}.yml", "-e", json.dumps(given))
        return self.shell(*command, timeout=1100).stdout


@pytest.fixture(scope="module")
def engineer(user: User, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Engineer:
    # a package that cannot be imported stands before the one that is installed
    folder = tmp_path_factory.mktemp("path")
    (folder / "dstk_runner").mkdir()
    (folder / "dstk_runner/__init__.py").write_text("raise ImportError('plain Ansible does without dstk_runner')\n")
    return Engineer(ROOT, {**user.environment, **api.environment, "PYTHONPATH": str(folder)})


@pytest.fixture(scope="module")
def image(engineer: Engineer, api: Api) -> Iterator[str]:
    """The machine image that bake.yml makes; it is gone before another module makes hosts."""
    before = find_images(api)
    engineer.play("bake")
    [made] = find_images(api) - before
    yield made
    assert f"{made} and its snapshots are gone." in engineer.play("images", dstk_delete_images=[made])
    assert find_images(api) == before


@pytest.fixture(scope="module")
def made(engineer: Engineer, api: Api, image: str) -> Iterator[dict[str, Any]]:
    """The instance that site.yml makes."""
    engineer.play("site")
    yield find_host(api)
    engineer.play("destroy", dstk_delete_data=True, dstk_final_backup=False)


def find_images(api: Api) -> set[str]:
    return {image["ImageId"] for image in api.client().describe_images(Owners=["self"])["Images"]}


def find_host(api: Api) -> dict[str, Any]:
    [host] = api.tagged(DEPLOYMENT)["instance"]
    return host


def in_home(api: Api, command: str) -> str:
    notebook = {"instance_id": find_host(api)["InstanceId"], "container": "dstk-ada"}
    done: subprocess.CompletedProcess[str] = in_notebook(notebook, "sh", "-c", command)
    return done.stdout


def test_dstk_runner_is_out_of_reach(engineer: Engineer) -> None:
    done = engineer.shell(str(BIN / "python"), "-c", "import dstk_runner", check=False)
    assert "plain Ansible does without" in done.stderr


def test_a_host_begins_with_the_baked_image_and_images_tells_what_that_costs(
    engineer: Engineer, made: dict[str, Any], image: str
) -> None:
    assert made["ImageId"] == image
    assert "at most 1.50 USD a month" in engineer.play("images")


def test_what_was_stopped_is_started_with_its_work(engineer: Engineer, made: dict[str, Any], api: Api) -> None:
    in_home(api, "echo mine > proof; sync")
    engineer.play("stop")
    assert find_host(api)["State"]["Name"] == "stopped"
    told = engineer.play("start")
    host = find_host(api)
    assert (host["InstanceId"], host["State"]["Name"]) == (made["InstanceId"], "running")
    assert f"https://{host['PublicIpAddress']}/ada/" in told
    assert in_home(api, "cat proof") == "mine\n"


def test_a_notebook_gets_another_image(engineer: Engineer, made: dict[str, Any], api: Api) -> None:
    asked = ("docker", "inspect", "dstk-ada", "--format", "{{.Config.Image}}")
    before = on_host(made["InstanceId"], *asked).stdout.strip()
    recipe = f"printf 'FROM {before}\\nLABEL of=plain\\n' | docker build --quiet --tag {OTHER} -"
    on_host(made["InstanceId"], "sh", "-c", recipe)
    engineer.play("upgrade", dstk_image=OTHER)
    assert on_host(made["InstanceId"], *asked).stdout.strip() == OTHER
    assert in_home(api, "cat proof") == "mine\n"


def test_what_is_lost_comes_back_beside_the_work_of_now_or_in_its_place(
    engineer: Engineer, made: dict[str, Any], api: Api
) -> None:
    engineer.play("backup")
    [backup] = api.client().describe_snapshots(OwnerIds=["self"], Filters=find_tag())["Snapshots"]
    assert backup["SnapshotId"] in engineer.play("backup", dstk_list=True)
    in_home(api, "echo spoilt > proof; sync")
    engineer.play("restore_home", dstk_limit="ada")
    assert in_home(api, "cat proof restored-*/proof") == "spoilt\nmine\n"
    engineer.play("restore", dstk_snapshot=backup["SnapshotId"])
    engineer.play("start")
    assert in_home(api, "cat proof; ls -d restored-* 2>/dev/null | wc -l") == "mine\n0\n"


def test_what_it_has_cost_is_told(engineer: Engineer, made: dict[str, Any]) -> None:
    assert f"{made['InstanceId']}, {made['InstanceType']}" in engineer.play("cost", dstk_actual=True)


def test_destroy_keeps_homes_and_deletes_them_when_that_is_asked_for(
    engineer: Engineer, made: dict[str, Any], api: Api
) -> None:
    engineer.play("destroy")
    assert api.left(DEPLOYMENT) == {}
    assert api.tagged(DEPLOYMENT)["volume"]
    backups = find_backups(api)
    engineer.play("destroy", dstk_delete_data=True, dstk_final_backup=False)
    assert api.tagged(DEPLOYMENT)["volume"] == []
    assert find_backups(api) == backups != set()


def find_tag() -> list[dict[str, Any]]:
    return [{"Name": "tag:dstk:deployment", "Values": [DEPLOYMENT]}]


def find_backups(api: Api) -> set[str]:
    found = api.client().describe_snapshots(OwnerIds=["self"], Filters=find_tag())["Snapshots"]
    return {row["SnapshotId"] for row in found}
