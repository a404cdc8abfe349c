"""A rotation, after everything else: what somebody knows of before opens nothing any more."""

from __future__ import annotations

from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import books
from support.user import User

API = "/api/contents"


@pytest.fixture(scope="module")
def thief(ada: dict[str, Any], ca_file: str) -> Attacker:
    """Somebody who has the password and the cookies of ada."""
    known = Attacker(ada, ca_file)
    assert known.log_in(ada["password"]).status == 302
    assert known.ask("GET", known.base + API).status == 200
    return known


@pytest.fixture(scope="module")
def neighbour(ben: dict[str, Any], ca_file: str) -> Attacker:
    """Ben, who is logged in while ada's secrets are made anew."""
    known = Attacker(ben, ca_file)
    assert known.log_in(ben["password"]).status == 302
    return known


@pytest.fixture(scope="module")
def rotated(thief: Attacker, neighbour: Attacker, teacher: User) -> dict[str, Any]:
    """The notebook of ada after `dstk rotate`."""
    return dict(books(teacher.document("rotate", "--limit", "ada"))["ada"])


def test_a_login_of_before_has_ended(rotated: dict[str, Any], thief: Attacker) -> None:
    assert thief.ask("GET", thief.base + API).status == 403


def test_a_password_of_before_opens_nothing(rotated: dict[str, Any], ada: dict[str, Any], ca_file: str) -> None:
    assert Attacker(ada, ca_file).log_in(ada["password"]).status == 401


def test_the_new_password_opens(rotated: dict[str, Any], ca_file: str) -> None:
    assert Attacker(rotated, ca_file).log_in(rotated["password"]).status == 302


def test_who_was_not_named_stays_logged_in(rotated: dict[str, Any], neighbour: Attacker) -> None:
    assert neighbour.ask("GET", neighbour.base + API).status == 200
