from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from support.plugins import Load

FILTER_ERROR: type[Exception] = importlib.import_module("ansible.errors").AnsibleFilterError


@pytest.fixture(scope="module")
def filters(load: Load) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = load("filter/dstk_aws").FilterModule().filters()
    return found


Filters = dict[str, Callable[..., Any]]


def test_auto_is_the_callers_address_alone(filters: Filters) -> None:
    assert filters["dstk_cidrs"](["auto"], "203.0.113.9\n") == ["203.0.113.9/32"]


def test_auto_of_a_caller_with_ipv6_is_that_address_alone(filters: Filters) -> None:
    assert filters["dstk_cidrs"](["auto"], "2001:db8::9") == ["2001:db8::9/128"]


def test_a_network_is_named_once(filters: Filters) -> None:
    assert filters["dstk_cidrs"](["203.0.113.9/32", "auto", "10.0.0.0/8"], "203.0.113.9") == [
        "203.0.113.9/32",
        "10.0.0.0/8",
    ]


@pytest.mark.parametrize(("choices", "caller"), [(["auto"], "<html>"), (["auto"], ""), (["10.0.0.1/8"], "")])
def test_what_is_no_network_is_refused_with_a_remedy(filters: Filters, choices: list[str], caller: str) -> None:
    with pytest.raises(FILTER_ERROR, match=r"Fix: .*allowed_cidrs"):
        filters["dstk_cidrs"](choices, caller)


def test_networks_wider_than_a_provider_has_are_known(filters: Filters) -> None:
    networks = ["10.0.0.0/8", "0.0.0.0/7", "2001:db8::/32", "::/0"]
    assert filters["dstk_wide_networks"](networks) == ["0.0.0.0/7", "::/0"]


@pytest.mark.parametrize("given", ["ada,bob", ["ada", "bob"]])
def test_logins_are_a_list_however_they_were_given(filters: Filters, given: object) -> None:
    assert filters["dstk_names"](given) == ["ada", "bob"]


def test_a_failure_is_explained_as_text(filters: Filters) -> None:
    assert filters["dstk_aws_error"]({"msg": "it broke\nFix: mend it"}) == "it broke\nFix: mend it"


def test_the_users_key_is_found_in_the_home(
    filters: Filters, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    assert filters["dstk_ssh_key_path"]("auto") == str(home / ".ssh" / "id_ed25519")
