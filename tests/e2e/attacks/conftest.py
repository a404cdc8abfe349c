"""A class of two who share a host, and somebody who means them harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import books
from support.user import User

CLASS = """
deployment: attacked
target: sandbox
students: [ada, ben]
placement: shared
students_per_host: 2
instance_type: t3.large
notebook_memory: 768
home_size: 1
"""


@pytest.fixture(scope="package")
def teacher(user: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """Who stands in the folder of the class."""
    folder = tmp_path_factory.mktemp("attacked")
    (folder / "dstk.yml").write_text(CLASS)
    grace = User(folder, user.environment)
    yield grace
    grace.dstk("destroy", "--yes")


@pytest.fixture(scope="package")
def attacked(teacher: User) -> dict[str, Any]:
    """The document of `dstk up`."""
    return teacher.document("up", "--yes")


@pytest.fixture(scope="package")
def ca_file(attacked: dict[str, Any]) -> str:
    """The CA that clients verify with."""
    return str(attacked["tls"]["ca_file"])


@pytest.fixture(scope="package")
def ada(attacked: dict[str, Any]) -> dict[str, Any]:
    """The notebook of one student."""
    return dict(books(attacked)["ada"])


@pytest.fixture(scope="package")
def ben(attacked: dict[str, Any]) -> dict[str, Any]:
    """The notebook of the neighbour."""
    return dict(books(attacked)["ben"])


@pytest.fixture
def stranger(ada: dict[str, Any], ca_file: str) -> Attacker:
    """Somebody at ada's address who has no password."""
    return Attacker(ada, ca_file)


@pytest.fixture
def owner(ada: dict[str, Any], ca_file: str) -> Attacker:
    """Ada herself, logged in."""
    known = Attacker(ada, ca_file)
    assert known.log_in(ada["password"]).status == 302
    return known
