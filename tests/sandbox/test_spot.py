"""`spot: true` by plain Ansible, under the policy that it needs: taken back, replaced, destroyed."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.environment import BIN, ROOT
from support.life import make_user
from support.place import DEPLOYMENT, OURS, Place, opened

LASTING = [*OURS, {"Name": "state", "Values": ["open", "active", "disabled"]}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A sandbox, and a user who may do no more than the policy of `spot` allows."""
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        policy = make_policy(load_config({"deployment": DEPLOYMENT, "spot": True}))
        yield replace(found, environment=make_user(found, policy, "eve"))


def asked(**more: Any) -> tuple[str, str]:
    return "-e", json.dumps({"dstk_students": ["ada", "ben"], "dstk_spot": True, **more})


def find_hosts(place: Place) -> dict[str, dict[str, Any]]:
    """The instances by the student who sits there; what has ended does not count."""
    rows = [({tag["Key"]: tag["Value"] for tag in item["Tags"]}, item) for item in place.instances()]
    return {tags["dstk:student"]: item for tags, item in rows}


def find_requests(place: Place) -> dict[str, str]:
    """The states of the requests that still launch or start something, by instance."""
    rows = place.client.describe_spot_instance_requests(Filters=LASTING)["SpotInstanceRequests"]
    return {row["InstanceId"]: row["State"] for row in rows}


def find_home(place: Place, student: str) -> tuple[str, str]:
    """The volume with a student's home, and the instance that has it."""
    by = [*OURS, {"Name": "tag:dstk:homes", "Values": [student]}]
    [row] = place.client.describe_volumes(Filters=by)["Volumes"]
    return row["VolumeId"], row["Attachments"][0]["InstanceId"] if row["Attachments"] else ""


def dstk(place: Place, request: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [BIN / "dstk", *words, "--config", request, "--json"],
        env=place.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture(scope="module")
def lost(place: Place) -> str:
    """The host of ada, which AWS has taken back."""
    place.ensure("provision", *asked())
    instance_id = str(find_hosts(place)["ada"]["InstanceId"])
    sandbox.interrupt_spot(instance_id, seconds=0, directory=place.folder)
    deadline = time.monotonic() + 60
    while find_requests(place)[instance_id] != "disabled":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return instance_id


def test_plan_and_status_say_what_spot_means_and_what_was_taken_back(place: Place, lost: str, tmp_path: Path) -> None:
    request = tmp_path / "dstk.yml"
    request.write_text(json.dumps({"deployment": DEPLOYMENT, "students": ["ada", "ben"], "spot": True}))
    checks = {check["name"]: check for check in dstk(place, request, "plan")["checks"]}
    assert "two minutes' notice" in checks["spot"]["message"]
    assert (lost in checks["taken back"]["message"], "spot hosts" in checks) == (True, False)
    [why] = [row["why"]["(host)"] for row in dstk(place, request, "status")["idle"] if row["instance_id"] == lost]
    assert "AWS took this spot instance back" in why


def test_what_was_taken_back_is_replaced_beside_its_home(place: Place, lost: str) -> None:
    volume, _ = find_home(place, "ada")
    output = " ".join(place.ensure("provision", *asked()).split())
    hosts = find_hosts(place)
    assert find_home(place, "ada") == (volume, hosts["ada"]["InstanceId"])
    assert find_requests(place) == dict.fromkeys((item["InstanceId"] for item in hosts.values()), "active")
    assert (hosts["ada"]["InstanceId"] != lost, f"AWS had taken back {lost}" in output) == (True, True)


def test_hosts_that_are_there_stay_as_they_are_and_it_is_said(place: Place, lost: str) -> None:
    before = {key: item["InstanceId"] for key, item in find_hosts(place).items()}
    output = " ".join(place.ensure("provision", *asked(dstk_spot=False)).split())
    assert lost not in before.values()
    assert {key: item["InstanceId"] for key, item in find_hosts(place).items()} == before
    assert "stay spot instances, though new ones would be on demand" in output


def test_destroy_leaves_no_request_and_nothing_comes_again(place: Place, lost: str) -> None:
    place.ensure("destroy", *asked())
    time.sleep(1)  # the market looks four times a second
    assert (find_requests(place), place.instances()) == ({}, [])
    assert find_home(place, "ada")[1] == ""
    assert lost


def test_all_that_the_policy_allows_for_it_was_asked_for(place: Place, lost: str) -> None:
    assert lost
    wanted = load_config({"deployment": DEPLOYMENT, "spot": True})
    needed = {item.action for item in find_permissions(wanted) if item.needed == "spot"}
    assert needed <= set(sandbox.find_permissions(place.environment["AWS_ACCESS_KEY_ID"], directory=place.folder))
