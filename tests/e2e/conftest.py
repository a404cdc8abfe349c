"""One sandbox for all end-to-end tests, and a user who has it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from support.course import Course, serve_course
from support.environment import BIN, clean_environment
from support.solo import OPTIONS, Solo
from support.user import UNBAKED, Api, User

#: Two students on one host, with all that a course may bring: they are attacked, and they are taught.
PAIR = """
deployment: pair
target: sandbox
students: [ada, ben]
placement: shared
students_per_host: 2
instance_type: t3.large
notebook_memory: 768
home_size: 1
course_repo: {url}
# the course is served from the network that the hosts of the sandbox are in, which is closed to notebooks otherwise
vpc_cidr: 10.99.0.0/16
extra_packages: {{pip: [humanize], apt: [tree]}}
"""


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user with an empty home, whose sandbox lives as long as the tests."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "course"
    folder.mkdir()
    ada = User(folder, clean_environment(home, DSTK_SANDBOX_DIR=str(home / "sandbox")))
    ada.dstk("sandbox", "up")
    yield ada
    ada.dstk("sandbox", "down")


@pytest.fixture(scope="session")
def api(user: User) -> Api:
    """The API of the user's sandbox."""
    return Api(user.document("sandbox", "env"))


@pytest.fixture(scope="session")
def baking(user: User) -> Iterator[dict[str, Any]]:
    """The document of `dstk bake`: hosts that are made after it begin with Docker and the notebook image inside.

    It takes half the time, so that who tests something else than a first start asks for it. The image is there until
    the tests end: who tests a first start says `baked: never`.
    """
    options = ("--sandbox", "--deployment", "baked")
    yield user.document("bake", "--yes", *options)
    user.dstk("bake", "--delete", "all", "--yes", *options)


@pytest.fixture(scope="session")
def solo(user: User, api: Api) -> Iterator[Solo]:
    """One notebook, which stays until the test that destroys it."""
    made = api.calls("CreateVpc")
    newcomer = replace(user, environment=user.environment | UNBAKED)
    first = newcomer.start(str(BIN / "dstk"), "up", "--yes", *OPTIONS, "--json")
    try:
        while api.calls("CreateVpc") == made:
            assert first.poll() is None
        refusal = user.dstk("up", "--yes", *OPTIONS, check=False)
        shown, told = first.communicate(timeout=600)
        assert first.returncode == 0, told
        yield Solo(json.loads(shown), refusal)
    finally:
        first.kill()
        user.dstk("destroy", "--yes", *OPTIONS)


@pytest.fixture(scope="session")
def course(user: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    """A course on the bridge that the sandbox's machines are on, which is there when the sandbox is."""
    asked = ["docker", "network", "inspect", "dstk-sandbox", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    address = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    files = {"same.txt": "one\n", "going.txt": "old\n", "staying.txt": "one\n"}
    with serve_course(tmp_path_factory.mktemp("course"), address, {**files}) as served:
        yield served


@pytest.fixture(scope="session")
def pair_teacher(user: User, course: Course, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Who stands in the folder of the class of two."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "dstk.yml").write_text(PAIR.format(url=course.url))
    grace = User(folder, user.environment)
    yield grace
    grace.dstk("destroy", "--yes")


@pytest.fixture(scope="session")
def pair(pair_teacher: User) -> dict[str, Any]:
    """The document of `dstk up` for the class of two."""
    return pair_teacher.document("up", "--yes", timeout=1100)
