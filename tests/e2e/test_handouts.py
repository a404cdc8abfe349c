"""The handouts and the overview, in a real browser that opens them from disk."""

from __future__ import annotations

import re
import signal
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dstk_runner import Failure, Tls, write_handouts, write_overview
from support import browser
from support.classes import notebook, seen, wanted
from support.environment import BIN
from support.machine import until
from support.solo import OPTIONS, Solo
from support.user import User

LONG = "Wolfeschlegelsteinhausenbergerdorff " * 5
ROSTER = (
    {"login": "ada", "name": "Ada Lovelace", "group": "A"},
    {"login": "khalid", "name": "محمد بن موسى الخوارزمي", "group": "فصل"},
    {"login": "evil", "name": "<script>alert(1)</script><b>x", "group": '"><img src=x onerror=alert(2)>'},
    {"login": "long", "name": LONG.strip(), "group": "G" * 120},
    {"login": "emmy", "name": "Emmy Noether"},
)
FAILURE = Failure(stage="status", student="emmy", message="the container does not work", fix="`dstk up` repairs it")
FOLDERS = "a-very-long-folder/" * 9
CLASS = seen(
    notebook("ada"),
    notebook("khalid", state="starting", last_activity="", memory_used=None),
    notebook("evil", memory_used=1990 << 20),
    notebook("long", url=f"https://203.0.113.99/long/lab/tree/{FOLDERS}notebook.ipynb"),
    notebook("emmy", state="failed"),
    failures=(FAILURE,),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The handouts of a class with names of every kind."""
    into = tmp_path_factory.mktemp("class")
    authority = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\n")
    tls = Tls(mode="private", ca_file=authority, sha256="0f" * 32)
    write_handouts(replace(CLASS, tls=tls), into, config=wanted(*ROSTER))
    return into


@pytest.fixture(scope="module")
def handed(user: User, solo: Solo) -> dict[str, Any]:
    """The document of the handouts of a notebook that is really there."""
    return user.document("handouts", *OPTIONS)


@pytest.fixture(scope="module")
def chromium(handed: dict[str, Any], user: User) -> Iterator[Browser]:
    """One browser for all of them, into which the authority was taken as the handout tells."""
    with browser.page({"ca_file": str(user.folder / "handouts/solo-authority.crt")}) as opened:
        running = opened.context.browser
        assert running is not None
        yield running


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """An empty page with an empty profile."""
    with closing(chromium.new_context(viewport={"width": 1280, "height": 900})) as context:
        yield context.new_page()


def count_printed(page: Page, paper: str) -> int:
    """How many pages the printer would put out."""
    return len(re.findall(rb"/Type /Page\b(?!s)", page.pdf(format=paper)))


def go(page: Page, path: Path) -> list[str]:
    """Open a file from disk; the list grows by all that it loads, says on the console, or asks."""
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("console", lambda message: heard.append(message.text))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.goto(path.as_uri())
    return heard


@pytest.mark.parametrize("name", ["students/evil.html", "print-all-with-passwords.html", "class.html"])
def test_a_page_loads_nothing_and_breaks_no_policy_of_its_own(page: Page, folder: Path, name: str) -> None:
    assert go(page, folder / name) == [(folder / name).as_uri()]


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize("student", ["ada", "long"])
def test_a_handout_is_one_sheet_of_paper(page: Page, folder: Path, student: str, paper: str) -> None:
    go(page, folder / f"students/{student}.html")
    assert count_printed(page, paper) == 1


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_file_for_the_printer_is_one_sheet_a_student(page: Page, folder: Path, paper: str) -> None:
    go(page, folder / "print-all-with-passwords.html")
    assert count_printed(page, paper) == len(ROSTER)


@pytest.mark.parametrize("student", [0, 1, 2])
def test_a_handout_greets_its_student(page: Page, folder: Path, student: int) -> None:
    go(page, folder / f"students/{ROSTER[student]['login']}.html")
    expect(page.get_by_role("heading", level=1)).to_have_text(ROSTER[student]["name"])


def test_a_handout_leads_to_the_notebook(page: Page, folder: Path) -> None:
    go(page, folder / "students/ada.html")
    expect(page.get_by_role("link")).to_have_attribute("href", notebook("ada").url)


def test_a_name_written_from_the_right_stands_on_the_right(page: Page, folder: Path) -> None:
    go(page, folder / "students/khalid.html")
    assert page.locator("h1").evaluate("element => getComputedStyle(element).direction") == "rtl"


def test_the_code_is_large_enough_on_paper(page: Page, folder: Path) -> None:
    go(page, folder / "students/ada.html")
    page.emulate_media(media="print")
    box = page.locator("svg").bounding_box()
    assert box is not None
    assert box["width"] / 96 * 25.4 > 25, "a camera wants 25 mm and more"


@pytest.mark.parametrize("name", ["students/long.html", "class.html"])
def test_nothing_sticks_out_on_a_phone(page: Page, folder: Path, name: str) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    go(page, folder / name)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", ["students/ada.html", "class.html"])
def test_what_is_written_can_be_read(page: Page, folder: Path, name: str) -> None:
    go(page, folder / name)
    assert page.evaluate(CONTRAST) == []


def test_the_overview_is_a_table_that_can_be_heard(page: Page, folder: Path) -> None:
    go(page, folder / "class.html")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="Ada Lovelace"))
    expect(row.get_by_role("cell").first).to_have_text(re.compile("ready"))
    expect(page.get_by_role("columnheader")).to_have_count(6)


def test_the_overview_leads_from_a_failure_to_its_student(page: Page, folder: Path) -> None:
    go(page, folder / "class.html")
    page.get_by_role("link", name="Emmy Noether").click()
    expect(page.locator("tr:target th")).to_contain_text("emmy")


def test_an_open_overview_shows_what_was_written_since(page: Page, folder: Path, tmp_path: Path) -> None:
    file = write_overview(CLASS, tmp_path / "class.html", config=wanted(*ROSTER))
    page.clock.install()
    go(page, file)
    write_overview(replace(CLASS, failures=()), file, config=wanted(*ROSTER))
    page.clock.run_for(31_000)
    expect(page.get_by_text("What is wrong")).to_have_count(0)


def test_an_overview_that_nobody_refreshes_says_so(page: Page, folder: Path) -> None:
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=3))
    go(page, folder / "class.html")
    expect(page.get_by_text("not refreshed for 3 h")).to_be_visible()


# Every visible text against the background behind it, by the formula of WCAG 2; what has less than 4.5 to 1.
CONTRAST = """() => {
  const light = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = getComputedStyle(e).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.checkVisibility())
    .filter(e => !["SCRIPT", "TITLE"].includes(e.tagName.toUpperCase()))
    .map(e => {
      const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
      return [e.textContent.trim(), (a + 0.05) / (b + 0.05)];
    })
    .filter(([, ratio]) => ratio < 4.5);
}"""


def test_a_handout_opens_the_notebook_with_its_link_and_password(
    handed: dict[str, Any], user: User, page: Page
) -> None:
    go(page, user.folder / "handouts/students/ada.html")
    password = page.locator(".password").inner_text()
    page.get_by_role("link").click()
    page.locator("input[name=password]").fill(password)
    page.locator("#login_submit, button[type=submit]").first.click()
    page.locator("#jp-main-dock-panel").wait_for(timeout=60_000)


def test_the_handouts_of_a_notebook_are_for_their_owner_alone(handed: dict[str, Any], user: User) -> None:
    assert {stat.S_IMODE((user.folder / name).stat().st_mode) for name in handed["files"]} == {0o600}


def test_watching_keeps_the_overview_fresh_until_ctrl_c(handed: dict[str, Any], user: User) -> None:
    file = user.folder / "watched.html"
    # what it says of its progress is not read, and must not fill a pipe
    words = ("status", "--watch", "1", "--html", file.name, *OPTIONS)
    watching = user.start(str(BIN / "dstk"), *words, stderr=None)
    try:
        until(file.exists, seconds=120, what="the first page")
        first = file.read_text()
        until(lambda: file.read_text() != first, seconds=120, what="a newer page")
    finally:
        watching.send_signal(signal.SIGINT)
        shown, _ = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert "1 ready" in shown
    assert "ready" in first
