"""What `dstk iam-policy` prints is enough for a whole life of a deployment, and no more than that life needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dstk_runner import sandbox
from dstk_runner.config import load_config
from dstk_runner.permissions import find_permissions, make_policy
from support.life import Life, live, make_user, make_zone, write_request
from support.place import Place, opened


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


def test_without_one_of_its_actions_the_life_ends_with_the_remedy(place: Place, file: Path) -> None:
    policy = make_policy(load_config(file))
    text = json.dumps(policy).replace("ec2:CreateSubnet", "ec2:CreateNothing")
    code, output = Life(place, make_user(place, json.loads(text), "bob"), file).try_to_provision()
    assert (code, "(UnauthorizedOperation)" in output, "dstk iam-policy" in output) == (2, True, True), output
