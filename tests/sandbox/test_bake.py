"""Machine images of one's own, where no host is booted: which is taken and kept, and what a broken run leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.environment import BIN, ROOT
from support.life import make_user
from support.place import DEPLOYMENT, REGION, Place, opened
from support.plugins import load_plugin

NOTEBOOK = "quay.io/jupyter/datascience-notebook:2026-08-24"
BUILDERS = [{"Name": "tag:dstk:deployment", "Values": [f"{DEPLOYMENT}-bake"]}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        found.ensure("provision")
        yield found


@pytest.fixture
def bakery(place: Place) -> Iterator[Place]:
    """The place, with one instance and no image of one's own."""
    yield place
    sandbox.clear_faults(directory=place.folder)
    ask(place, state="absent", image_ids=["all"])


def ask(place: Place, **given: Any) -> dict[str, Any]:
    """Call the module, and return what it answers."""
    words = ["localhost", "-m", "dstk_baked", "-a", json.dumps({"region": REGION, **given})]
    settings = {**place.environment, "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "json"}
    done = subprocess.run([str(BIN / "ansible"), *words], cwd=ROOT, env=settings, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    result: dict[str, Any] = answer["plays"][0]["tasks"][0]["hosts"]["localhost"]
    return result


def make(place: Place, **more: Any) -> dict[str, Any]:
    instance = more.get("instance_id") or place.instances()[0]["InstanceId"]
    wish = {"instance_id": instance, "deployment": DEPLOYMENT, "ubuntu": "24.04", "notebook_image": NOTEBOOK}
    return ask(place, state="present", **{**wish, **more})


def find_images(place: Place) -> set[str]:
    return {image["ImageId"] for image in place.client.describe_images(Owners=["self"])["Images"]}


def find_snapshots(place: Place) -> set[str]:
    by = [{"Name": "tag-key", "Values": ["dstk:baked"]}]
    found = place.client.describe_snapshots(OwnerIds=["self"], Filters=by)["Snapshots"]
    return {snapshot["SnapshotId"] for snapshot in found}


def dstk(place: Place, *words: str, **settings: str) -> dict[str, Any]:
    command = [str(BIN / "dstk"), *words, "--json"]
    environment = {**place.environment, **settings}
    done = subprocess.run(command, cwd=place.folder, env=environment, capture_output=True, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def plan(place: Place, **settings: str) -> dict[str, Any]:
    image: dict[str, Any] = dstk(place, "plan", **settings)["image"]
    return image


def test_the_newest_image_is_what_a_new_host_begins_with(bakery: Place) -> None:
    assert plan(bakery)["baked"] == ""
    made = make(bakery)["image_id"]
    bakery.end_instances()
    assert plan(bakery)["id"] == made
    assert plan(bakery)["baked"]
    assert plan(bakery, DSTK_BAKED="never")["id"] != made
    bakery.ensure("provision")
    assert bakery.instances()[0]["ImageId"] == made


def test_older_ones_go_with_their_snapshots(bakery: Place) -> None:
    first, second, third = (make(bakery)["image_id"] for _ in range(3))
    assert find_images(bakery) == {second, third}
    assert len(find_snapshots(bakery)) == 2
    assert make(bakery, keep=1)["removed"] == [third, second]
    assert first not in find_images(bakery)


def test_a_snapshot_that_a_killed_run_left_goes_with_the_next_one(bakery: Place) -> None:
    bakery.client.deregister_image(ImageId=make(bakery)["image_id"])
    left = find_snapshots(bakery)
    assert len(left) == 1
    assert make(bakery)["removed_snapshots"] == list(left)
    assert len(find_snapshots(bakery)) == 1


@pytest.mark.parametrize(("region", "usd"), [(REGION, 1.5), ("eu-south-1", None)])
def test_an_image_costs_what_its_snapshot_does_or_nobody_knows(bakery: Place, region: str, usd: float | None) -> None:
    """The sandbox's disks of hosts have 30 GB; of one of the regions the table has no price of snapshots."""
    [image] = bakery.client.describe_images(ImageIds=[make(bakery)["image_id"]])["Images"]
    price = load_plugin("filter/dstk_cost").dstk_snapshot_price(region, str(bakery.folder))
    [row] = ask(bakery, state="listed", **({"snapshot_usd": price["usd"]} if price["usd"] else {}))["images"]
    assert (row["image_id"], row["size"], row["usd_month"]) == (image["ImageId"], 30, usd)


def test_the_command_and_the_playbook_say_what_an_image_costs_and_what_went(bakery: Place) -> None:
    made = make(bakery)["image_id"]
    listed = dstk(bakery, "bake", "--list")
    assert [(image["id"], image["usd_month"]) for image in listed["images"]] == [(made, 1.5)]
    assert listed["price"]["source"]
    assert f"{made}, " in (told := bakery.ensure("images"))
    assert "at most 1.50 USD a month" in told
    assert f"{made} and its snapshots are gone." in bakery.ensure("images", "-e", f"dstk_delete_images={made}")
    assert find_images(bakery) == set()


def test_a_lost_answer_makes_no_second_image(bakery: Place) -> None:
    bakery.inject("CreateImage", "reply-lost")
    made = make(bakery)["image_id"]
    assert find_images(bakery) == {made}


def test_an_image_that_is_not_there_is_not_removed_by_mistake(bakery: Place) -> None:
    made = make(bakery)["image_id"]
    said = ask(bakery, state="absent", image_ids=[made, "ami-0123"])["msg"]
    assert "ami-0123" in said
    assert "Fix: " in said
    assert find_images(bakery) == {made}


def test_destroy_leaves_the_images_and_says_so(bakery: Place) -> None:
    made = make(bakery)["image_id"]
    receipt = dstk(bakery, "destroy", "--yes")
    assert receipt["ok"]
    assert [(image["id"], image["usd_month"]) for image in receipt["images"]] == [(made, 1.5)]
    assert find_images(bakery) == {made}
    bakery.ensure("provision")


def test_who_may_do_just_what_the_policy_says_makes_and_removes_images(bakery: Place) -> None:
    config = load_config({"deployment": DEPLOYMENT})
    user = make_user(bakery, make_policy(config, bake=True), "ada")
    theirs = replace(bakery, environment=user)
    instance, builders = bakery.instances()[0]["InstanceId"], f"{DEPLOYMENT}-bake"
    for deployment in (builders, DEPLOYMENT):
        tags = [{"Key": "dstk:deployment", "Value": deployment}]
        bakery.client.create_tags(Resources=[instance], Tags=tags)
        if deployment == builders:
            assert make(theirs, instance_id=instance, deployment=builders)["image_id"]
    assert ask(theirs, state="absent", image_ids=["all"])["removed"]
    asked = set(sandbox.find_permissions(user["AWS_ACCESS_KEY_ID"], directory=bakery.folder))
    assert asked <= {permission.action for permission in find_permissions(config, bake=True)}
    own = {permission.action for permission in find_permissions(config, bake=True) if permission.needed == "bake"}
    assert own <= asked


def count_builders(place: Place) -> tuple[int, int]:
    """How many instances of the builder are there, and how many networks."""
    found = place.client.describe_instances(Filters=BUILDERS)["Reservations"]
    states = [instance["State"]["Name"] for reservation in found for instance in reservation["Instances"]]
    return len([state for state in states if state != "terminated"]), len(
        place.client.describe_vpcs(Filters=BUILDERS)["Vpcs"]
    )


def test_a_host_that_cannot_be_configured_leaves_nothing(bakery: Place) -> None:
    # nothing listens where SSH would be
    code, output = bakery.run("bake", "-e", "ansible_ssh_retries=0")
    assert code != 0
    assert "UNREACHABLE" in output
    assert count_builders(bakery) == (0, 0)
    assert find_images(bakery) == set()


def test_a_host_that_cannot_be_had_leaves_nothing(bakery: Place) -> None:
    bakery.inject("RunInstances", "no-capacity", count=100)
    code, output = bakery.run("bake")
    assert code != 0
    assert "Fix: " in output
    assert count_builders(bakery) == (0, 0)
