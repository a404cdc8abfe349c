from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape

import pytest

from dstk_runner.handouts.overview import render_overview
from dstk_runner.handouts.pages import render_pages
from dstk_runner.handouts.people import Person, find_people
from dstk_runner.handouts.qr import draw_qr
from support.classes import notebook, seen, wanted

ADA = Person(login="ada", name="Ada Lovelace", notebook=notebook("ada"))
EVIL = Person(login="evil", name="<script>alert(1)</script>", group='"><img src=x>', notebook=notebook("evil"))


@pytest.fixture(params=["handout", "overview"])
def page(request: pytest.FixtureRequest) -> str:
    """Each kind of page, of somebody who means harm."""
    if request.param == "handout":
        return render_pages([EVIL], deployment="csx450")
    return render_overview(seen(notebook("evil")), (EVIL,))


def test_a_handout_says_that_it_holds_a_password() -> None:
    assert "This page holds your password" in render_pages([ADA], deployment="csx450")


def test_the_file_for_the_printer_says_that_it_holds_the_passwords_of_the_class() -> None:
    assert "This file holds the passwords of the class" in render_pages([ADA, EVIL], deployment="csx450")


def test_a_page_has_link_password_and_login() -> None:
    text = re.sub(r"<[^>]+>", "", render_pages([ADA], deployment="csx450"))
    assert {"https://203.0.113.7/ada/lab?of=ada", "secret-of-ada", "ada"} <= set(unescape(text).split())


def test_the_code_is_of_the_link_alone() -> None:
    assert draw_qr(ADA.url) in render_pages([ADA], deployment="csx450")
    assert "secret" not in draw_qr(ADA.url)


def test_a_name_is_text_and_never_markup(page: str) -> None:
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    assert re.findall(r"""<(?:link|img|iframe|object)\b|\bsrc=["']?\w|@import|url\(""", page.replace("src=x", "")) == []


def test_the_policy_admits_the_style_that_is_there_and_nothing_else(page: str) -> None:
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}';" in unescape(policy)


def test_a_name_without_a_roster_is_the_login(home: object) -> None:
    [person] = find_people(seen(notebook("ada")), wanted("ada"))
    assert person.name == "ada"


def test_the_class_comes_in_the_order_of_the_roster(home: object) -> None:
    people = find_people(seen(notebook("ada"), notebook("bob")), wanted("bob", "ada"))
    assert [person.login for person in people] == ["bob", "ada"]


def test_a_person_has_the_notebook_of_the_seat_whatever_the_roster_calls_it(home: object) -> None:
    config = wanted({"name": "Ada", "login": "ada", "email": "ada@example.org"})
    kept = replace(seen(notebook("ada-2")), logins={config.members[0]["identity"]: "ada-2"})
    [person] = find_people(kept, config)
    assert (person.login, person.name, person.url) == ("ada-2", "Ada", notebook("ada-2").url)
