from __future__ import annotations

import re
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.plugins import load_plugin

NAMES = st.lists(st.text(max_size=60), max_size=12)


@pytest.fixture(scope="module")
def logins() -> ModuleType:
    return load_plugin("module_utils/dstk_logins")


def derive(logins: ModuleType, text: str) -> str:
    return str(logins.derive_login([text], logins.identify(text)))


@pytest.mark.parametrize(
    ("name", "login"),
    [
        ("student01", "student01"),
        ("Ada Lovelace", "ada-lovelace"),
        ("  Ada   Lovelace  ", "ada-lovelace"),
        ("ada.lovelace", "ada-lovelace"),
        ("ada_lovelace", "ada-lovelace"),
        ("O'Brien", "obrien"),
        ("O\u2019Brien", "obrien"),
        ("Zoë Łoś", "zoe-los"),
        ("Søren Ærø", "soren-aero"),
        ("Weiß", "weiss"),
        ("WEISS", "weiss"),
        ("Đặng Þór", "dang-thor"),
        ("Zoe\u0308", "zoe"),
        ("\uff21\uff44\uff41", "ada"),
        ("王 Wang", "wang"),
        ("12345", "student-12345"),
        ("2pac", "student-2pac"),
        ("-", None),
        ("王小明", None),
        ("Анна", None),
        ("", None),
    ],
)
def test_a_login_is_spelled_from_a_name(logins: ModuleType, name: str, login: str | None) -> None:
    assert derive(logins, name) == (login or f"student-{logins.identify(name)[:6]}")


@pytest.mark.parametrize("name", ["root", "Ubuntu", "www-data", "jovyan", "nobody", "admin", "host", "host01"])
def test_a_reserved_name_gets_a_prefix(logins: ModuleType, name: str) -> None:
    assert derive(logins, name) == f"student-{name.lower()}"


def test_a_long_name_is_cut_at_no_hyphen(logins: ModuleType) -> None:
    assert derive(logins, "x" * 31 + " y") == "x" * 31


def test_the_first_candidate_with_letters_wins(logins: ModuleType) -> None:
    assert logins.derive_login(["", "王", "wang.x", "Wang Xiaoming"], "0" * 12) == "wang-x"


@pytest.mark.parametrize(
    ("same", "apart"),
    [
        (["ada", "ada", "ada"], ["ada", "ada-2", "ada-3"]),
        (["ada", "ada", "ada-2"], ["ada", "ada-3", "ada-2"]),
        (["ada-2", "ada", "ada"], ["ada-2", "ada", "ada-3"]),
        (["a" * 32, "a" * 32], ["a" * 32, "a" * 30 + "-2"]),
    ],
)
def test_a_number_tells_the_same_logins_apart(logins: ModuleType, same: list[str], apart: list[str]) -> None:
    assert logins.tell_apart(same) == apart


def test_case_and_spaces_do_not_change_who_somebody_is(logins: ModuleType) -> None:
    assert logins.identify("Ada  Lovelace") == logins.identify("ada lovelace ")


@settings(deadline=None)
@given(text=st.text(max_size=80))
def test_every_login_is_valid(text: str) -> None:
    login = derive(load_plugin("module_utils/dstk_logins"), text)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", login)
    assert len(login) <= 32


@settings(deadline=None)
@given(names=NAMES)
def test_logins_told_apart_are_valid_and_unique(names: list[str]) -> None:
    logins = load_plugin("module_utils/dstk_logins")
    apart = logins.tell_apart([derive(logins, name) for name in names])
    assert len(set(apart)) == len(names)
    assert all(re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", login) and len(login) <= 32 for login in apart)


@settings(deadline=None)
@given(names=NAMES, more=NAMES)
def test_who_comes_later_changes_nothing_for_those_without_a_namesake(names: list[str], more: list[str]) -> None:
    logins = load_plugin("module_utils/dstk_logins")
    before = [derive(logins, name) for name in names]
    apart = logins.tell_apart(before + [derive(logins, name) for name in more])
    assert all(new == old for new, old in zip(apart, before, strict=False) if before.count(old) == 1)
