"""What a host's proxy does about its certificates."""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any

import pytest

from support.plugins import Load

SERVER = "https://acme-v02.api.letsencrypt.org/directory"
NAME = "ada.class.example.edu"
NOW = 1_800_000_000.0


@pytest.fixture
def proxy(load: Load) -> ModuleType:
    return load("module_utils/dstk_proxy")


def plan(proxy: ModuleType, **fields: Any) -> tuple[str, str]:
    known = {"caddy": {"version": fields.pop("version", "2.6.2")}, "acme": {}, "mode": {}}
    known |= {key: fields.pop(key) for key in ("acme", "mode") if key in fields}
    asked = {"tls": "auto", "names": [NAME], "server": SERVER, "bare": False, "pause": 3600, "now": NOW} | fields
    return tuple(proxy.find_plan(known, **asked))


def failed(proxy: ModuleType, *, ago: float, **more: Any) -> dict[str, Any]:
    """What a host remembers of a request that failed."""
    asked = proxy.find_request(SERVER, [NAME], "2.6.2")
    return {"mode": "private", "reason": "why", "asked": asked, "tried": NOW - ago, **more}


def test_an_acme_server_is_asked_where_there_is_a_name(proxy: ModuleType) -> None:
    assert plan(proxy) == ("trying", "")


def test_none_is_asked_where_private_is_wanted(proxy: ModuleType) -> None:
    assert plan(proxy, tls="private")[0] == "private"


def test_a_certificate_that_is_good_is_served(proxy: ModuleType) -> None:
    assert plan(proxy, acme={NAME: NOW + 1}) == ("acme", "")


def test_one_that_has_ended_is_asked_for_again(proxy: ModuleType) -> None:
    assert plan(proxy, acme={NAME: NOW - 1}, mode={"mode": "acme"})[0] == "trying"


@pytest.mark.parametrize(("version", "wanted"), [("2.6.2", "private"), ("v2.10.0", "private"), ("v2.10.1", "trying")])
def test_only_a_new_caddy_asks_for_an_address(proxy: ModuleType, version: str, wanted: str) -> None:
    assert plan(proxy, version=version, names=["203.0.113.7"], bare=True)[0] == wanted


@pytest.mark.parametrize(("ago", "wanted"), [(60, ("private", "why")), (3601, ("trying", ""))])
def test_a_request_that_failed_is_made_again_an_hour_later(
    proxy: ModuleType, ago: float, wanted: tuple[str, str]
) -> None:
    assert plan(proxy, mode=failed(proxy, ago=ago)) == wanted


def test_another_request_is_made_at_once(proxy: ModuleType) -> None:
    assert plan(proxy, mode=failed(proxy, ago=60, asked="another"))[0] == "trying"


def test_the_storage_is_named_as_caddy_names_it(proxy: ModuleType) -> None:
    assert proxy.find_storage(SERVER) == "acme-v02.api.letsencrypt.org-directory"
    assert proxy.find_storage("https://10.0.0.1:14000/dir") == "10.0.0.1-14000-dir"


def tell(logger: str, error: str, message: str = "x") -> str:
    return json.dumps({"level": "error", "logger": logger, "error": error, "msg": message})


def test_the_reason_is_what_the_acme_server_said(proxy: ModuleType) -> None:
    journal = "\n".join(
        [
            "Started caddy.service",
            tell("http.log", "not of certificates"),
            tell("http.acme_client", "HTTP 400 urn:ietf:params:acme:error:connection - Timeout (likely firewall)"),
            tell("tls.obtain", "no solvers available", "will retry"),
        ]
    )
    reason = proxy.find_reason(proxy.parse_errors(journal))
    assert reason == "the ACME server gave no certificate: connection: Timeout (likely firewall)"


@pytest.mark.parametrize(("problem", "hopeless"), [("connection", True), ("dns", False)])
def test_only_a_name_that_is_not_known_yet_is_waited_for(proxy: ModuleType, problem: str, hopeless: bool) -> None:
    said = tell("tls.obtain", f"urn:ietf:params:acme:error:{problem} - no", "will retry")
    assert proxy.is_hopeless(said) is hopeless


def test_silence_has_a_reason_too(proxy: ModuleType) -> None:
    assert "in time" in proxy.find_reason([])
