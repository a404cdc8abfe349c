"""What a new user types first: a fresh clone, `make demo`, a browser."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import browser
from support.environment import ROOT, clean_environment
from support.user import User


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[User]:
    """Somebody with a fresh clone, an empty home and no virtual environment; the demo is taken away at the end."""
    clone = tmp_path / "dstk"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    home = tmp_path / "home"
    home.mkdir()
    environment = clean_environment(home, PATH=os.environ["PATH"])
    del environment["VIRTUAL_ENV"]
    somebody = User(clone, environment)
    yield somebody
    somebody.shell("make", "demo-down")


def test_make_demo_ends_with_a_link_that_a_browser_logs_in_to_and_is_quick_the_second_time(newcomer: User) -> None:
    first = newcomer.shell("make", "demo", timeout=1100).stdout
    assert "will install" in first
    second = newcomer.shell("make", "demo").stdout
    assert "will install" not in second
    row = re.search(r"^ada +(https://127\.77\.\d+\.\d+/ada/\S*) +(\S{16,}) +ready$", second, flags=re.MULTILINE)
    assert row, second
    link, password = row.groups()
    authorities = re.search(r"^ +(/\S+/ca\.pem)$", second, flags=re.MULTILINE)
    assert authorities, second
    with browser.page({"ca_file": authorities.group(1)}) as page:
        browser.log_in(page, link, password)
        assert min(browser.run_plot(page)) > 100
