"""Guessing passwords, last of all: who does is locked out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import on_host
from support.user import User

ATTEMPTS = 40


@pytest.fixture(scope="module")
def guessed(ada: dict[str, Any], ca_file: str) -> Iterator[int]:
    """How many guesses were answered before the door was shut."""
    on_host(ada["instance_id"], "fail2ban-client", "unban", "--all")
    number = 0
    deadline = time.monotonic() + 120
    while number < ATTEMPTS and time.monotonic() < deadline:
        guesser = Attacker(ada, ca_file)
        try:
            guesser.log_in(f"guess-{number}")
        except OSError:
            break
        number += 1
        # fail2ban reads the log a moment later
        time.sleep(0.3)
    yield number
    on_host(ada["instance_id"], "fail2ban-client", "unban", "--all")


def test_who_guesses_is_locked_out(guessed: int) -> None:
    assert 5 <= guessed < ATTEMPTS


def test_the_attempts_are_in_the_log(guessed: int, ada: dict[str, Any]) -> None:
    log = on_host(ada["instance_id"], "cat", "/var/log/fail2ban.log").stdout
    assert log.count("Found") >= 5
    assert "Ban" in log


def test_whoever_is_locked_out_of_notebooks_still_has_ssh(guessed: int, teacher: User) -> None:
    assert teacher.dstk("ssh", "--", "echo", "there").stdout.strip() == "there"


def test_the_ban_ends(guessed: int, ada: dict[str, Any], ca_file: str) -> None:
    on_host(ada["instance_id"], "fail2ban-client", "unban", "--all")
    assert Attacker(ada, ca_file).log_in(ada["password"]).status == 302
