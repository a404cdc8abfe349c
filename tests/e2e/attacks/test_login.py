"""Ways around the password: none of them leads in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.attacker import Attacker
from support.classroom import on_host

EVIL = "https://evil.example"
API = "/api/contents"


def start_kernel(owner: Attacker) -> str:
    """Start a kernel, and answer the path of its websocket."""
    answer = owner.ask("POST", f"{owner.base}/api/kernels", "{}", X_XSRFToken=owner.cookies["_xsrf"])
    assert answer.status == 201, answer.body
    return f"{owner.base}/api/kernels/{json.loads(answer.body)['id']}/channels"


def test_without_a_login_nothing_is_told(stranger: Attacker) -> None:
    assert stranger.ask("GET", stranger.base + API).status == 403


@pytest.mark.parametrize("path", ["/lab", "/tree", "/files/x", "/", "/metrics", "/api/status"])
def test_no_page_opens_without_a_login(stranger: Attacker, path: str) -> None:
    answer = stranger.ask("GET", stranger.base + path)
    assert answer.status in (302, 403, 404)
    assert answer.status != 302 or "login" in answer.headers["Location"] or answer.headers["Location"].endswith("/lab?")


def test_a_wrong_password_leads_nowhere(stranger: Attacker) -> None:
    assert stranger.log_in("not-the-password").status == 401
    assert stranger.ask("GET", stranger.base + API).status == 403


def test_the_right_password_leads_in(owner: Attacker) -> None:
    assert owner.ask("GET", owner.base + API).status == 200


@pytest.mark.parametrize("given", ["password", "hash"])
def test_a_token_in_the_query_is_refused(stranger: Attacker, ada: dict[str, Any], given: str) -> None:
    secret = ada["password"] if given == "password" else find_hash(ada)
    assert stranger.ask("GET", f"{stranger.base}{API}?token={secret}").status == 403


def test_a_token_in_a_header_is_refused(stranger: Attacker, ada: dict[str, Any]) -> None:
    secret = f"token {ada['password']}"
    assert stranger.ask("GET", stranger.base + API, Authorization=secret).status == 403


def test_the_login_cookie_is_secure_for_this_path_and_not_for_scripts(stranger: Attacker, ada: dict[str, Any]) -> None:
    lines = stranger.log_in(ada["password"]).headers.get_all("Set-Cookie") or []
    (line,) = [line for line in lines if line.startswith("dstk-ada=")]
    parts = {part.strip().lower() for part in line.split(";")[1:]}
    assert {"httponly", "secure", "samesite=lax", "path=/ada/"} <= parts
    assert any(part.startswith("expires=") for part in parts)


def test_a_stolen_cookie_changes_nothing_from_another_origin(owner: Attacker) -> None:
    before = owner.ask("GET", owner.base + API).body
    token = {"X_XSRFToken": owner.cookies["_xsrf"]}
    for headers in ({}, token):
        made = owner.ask("POST", owner.base + API, '{"type": "file"}', Origin=EVIL, Referer=f"{EVIL}/x", **headers)
        assert made.status in (403, 404)
    assert json.loads(owner.ask("GET", owner.base + API).body)["content"] == json.loads(before)["content"]


def test_a_cookie_without_its_xsrf_token_changes_nothing(owner: Attacker) -> None:
    assert owner.ask("POST", f"{owner.base}/api/contents", '{"type": "file"}', Origin=owner.origin).status == 403


def test_another_origin_may_not_read_what_a_cookie_opens(owner: Attacker) -> None:
    answer = owner.ask("GET", owner.base + API, Origin=EVIL, Referer=f"{EVIL}/x")
    assert answer.headers.get("Access-Control-Allow-Origin") is None
    assert answer.status in (403, 404)


def test_a_websocket_of_a_foreign_origin_is_refused(owner: Attacker) -> None:
    path = start_kernel(owner)
    assert owner.open_websocket(path, EVIL) == 403
    assert owner.open_websocket(path, owner.origin) == 101


def test_a_websocket_without_a_login_is_refused(owner: Attacker, stranger: Attacker) -> None:
    assert stranger.open_websocket(start_kernel(owner), stranger.origin) == 403


def test_there_are_no_terminals(owner: Attacker) -> None:
    made = owner.ask("POST", f"{owner.base}/api/terminals", "{}", X_XSRFToken=owner.cookies["_xsrf"])
    assert made.status == 404
    assert owner.ask("GET", f"{owner.base}/api/terminals").status == 404


def test_a_login_opens_nothing_at_the_neighbours(owner: Attacker, ben: dict[str, Any], ca_file: str) -> None:
    neighbour = Attacker(ben, ca_file, dict(owner.cookies))
    assert neighbour.ask("GET", neighbour.base + API).status == 403


def test_a_login_under_the_neighbours_cookies_name_opens_nothing(
    owner: Attacker, ben: dict[str, Any], ca_file: str
) -> None:
    neighbour = Attacker(ben, ca_file, {"dstk-ben": owner.cookies["dstk-ada"]})
    assert neighbour.ask("GET", neighbour.base + API).status == 403


def test_no_page_lets_itself_be_framed_or_guessed_at(owner: Attacker) -> None:
    answer = owner.ask("GET", f"{owner.base}/lab")
    assert answer.status == 200
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def find_hash(notebook: dict[str, Any]) -> str:
    """The password's hash, as Jupyter reads it."""
    folder = f"/etc/dstk/{notebook['student']}/jupyter/jupyter_server_config.json"
    config = json.loads(on_host(notebook["instance_id"], "cat", folder).stdout)
    found: str = config["PasswordIdentityProvider"]["hashed_password"]
    assert found.startswith("argon2")
    return found
