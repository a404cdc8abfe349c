"""A class of two who share a host, and somebody who means them harm."""

from __future__ import annotations

from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import books
from support.user import User


@pytest.fixture(scope="session")
def teacher(pair_teacher: User) -> User:
    """Who stands in the folder of the class."""
    return pair_teacher


@pytest.fixture(scope="session")
def attacked(pair: dict[str, Any]) -> dict[str, Any]:
    """The document of `dstk up`."""
    return pair


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
