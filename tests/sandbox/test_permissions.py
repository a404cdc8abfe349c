"""What `dstk iam-policy` prints is enough for a whole life of a deployment, and no more than that life needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.life import Life, live, make_user, make_zone, write_request
from support.place import DEPLOYMENT, REGION, Place, opened


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("sandbox"), tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("request") / "dstk.yml"
    write_request(path, domain="nb.example.org")
    return path


@pytest.fixture(scope="module")
def asked(place: Place, file: Path) -> set[str]:
    """What was asked for in a life of a deployment that somebody led who may do just what the policy says."""
    make_zone(place, "example.org")
    user = make_user(place, make_policy(load_config(file)), "ada")
    live(place, user, file)
    return set(sandbox.find_permissions(user["AWS_ACCESS_KEY_ID"], directory=place.folder))


def test_a_life_under_the_policy_asks_for_nothing_else(asked: set[str], file: Path) -> None:
    assert asked <= {permission.action for permission in find_permissions(load_config(file))}


def test_the_policy_allows_nothing_that_a_life_does_not_need(asked: set[str], file: Path) -> None:
    seen = {permission.action for permission in find_permissions(load_config(file)) if not permission.unseen}
    assert seen <= asked


@pytest.fixture(scope="module")
def session_life(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], set[str]]:
    """A life with `access: ssm` under its policy: the request, the instance, what was asked for."""
    path = tmp_path_factory.mktemp("session") / "dstk.yml"
    write_request(path, access="ssm")
    user = make_user(place, make_policy(load_config(path)), "eve")
    life = Life(place, user, path)
    life.provision()
    [instance] = place.instances()
    life.destroy()
    return path, instance, set(sandbox.find_permissions(user["AWS_ACCESS_KEY_ID"], directory=place.folder))


def test_with_ssm_an_instance_has_the_profile(session_life: tuple[Path, dict[str, Any], set[str]]) -> None:
    assert session_life[1]["IamInstanceProfile"]["Arn"].endswith(f"/dstk/{DEPLOYMENT}-{REGION}")


def test_with_ssm_only_the_role_of_last_snapshots_is_left(
    place: Place, session_life: tuple[Path, dict[str, Any], set[str]]
) -> None:
    iam, s3 = place.make_client("iam"), place.make_client("s3")
    assert session_life[2]
    roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
    assert [roles, iam.list_instance_profiles()["InstanceProfiles"], s3.list_buckets()["Buckets"]] == [
        [f"{DEPLOYMENT}-{REGION}-expiry"],
        [],
        [],
    ]


def test_with_ssm_all_that_is_allowed_is_asked_for(session_life: tuple[Path, dict[str, Any], set[str]]) -> None:
    path, _, asked = session_life
    services = ("iam:", "s3:", "ssm:")
    own = [item for item in find_permissions(load_config(path)) if item.action.startswith(services) and not item.unseen]
    assert {item.action for item in own} == {name for name in asked if name.startswith(services)}


@pytest.mark.parametrize("region", ["us-west-2", "ap-southeast-1"])
def test_the_longest_policy_is_one_that_iam_takes(region: str) -> None:
    everything = {"access": "ssm", "domain": "notebooks.department.example.org", "budget": 200, "elastic_ip": True}
    more = {"budget_email": "ada@example.org", "schedule_backup": {"at": "03:00"}, "spot": True}
    config = load_config({"deployment": "d" * 40, "region": region, **everything, **more})
    assert len(json.dumps(make_policy(config), separators=(",", ":"))) <= 6144
    assert len(json.dumps(make_policy(config, bake=True), separators=(",", ":"))) <= 6144


def test_without_one_of_its_actions_the_life_ends_with_the_remedy(place: Place, file: Path) -> None:
    policy = make_policy(load_config(file))
    text = json.dumps(policy).replace("ec2:CreateSubnet", "ec2:CreateNothing")
    code, output = Life(place, make_user(place, json.loads(text), "bob"), file).try_to_provision()
    assert (code, "(UnauthorizedOperation)" in output, "dstk iam-policy" in output) == (2, True, True), output
