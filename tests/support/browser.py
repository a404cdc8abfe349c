"""A real Chromium, and what a student does in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from playwright.sync_api import Locator, Page, expect, sync_playwright

#: Quiet starts: no calls home, no sandbox of Chromium's own (root cannot have it).
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Chromium, by way of a program that keeps it from losing requests.
STEADY = Path(__file__).with_name("steady_browser.py")

PLOT = "import matplotlib.pyplot as plt; import numpy as np; plt.plot(np.sin(np.linspace(0, 7))); plt.show()"


def trust(home: Path, authorities: str) -> None:
    """Let the Chromium of a home trust these certificate authorities, as a person does in its settings."""
    store = home / ".pki" / "nssdb"
    store.mkdir(parents=True)
    database = f"sql:{store}"
    subprocess.run(["certutil", "-d", database, "-N", "--empty-password"], check=True)
    for number, text in enumerate(re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----", authorities, flags=re.DOTALL)):
        add = ["certutil", "-d", database, "-A", "-t", "C,,", "-n", f"dstk {number}"]
        subprocess.run(add, input=f"{text}\n", text=True, check=True)


@contextmanager
def page(tls: dict[str, str] | None = None) -> Iterator[Page]:
    """An empty page of a headless Chromium with an empty profile, which trusts whom `tls` of a document names."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="chromium-") as home:
        if tls and tls["ca_file"]:
            trust(Path(home), Path(tls["ca_file"]).read_text())
        program = shutil.which("chromium") or playwright.chromium.executable_path
        environment: dict[str, str | float | bool] = {**os.environ, "HOME": home, "DSTK_BROWSER": program}
        browser = playwright.chromium.launch(executable_path=STEADY, headless=True, args=FLAGS, env=environment)
        try:
            yield browser.new_page(viewport={"width": 1280, "height": 900})
        finally:
            browser.close()


def log_in(page: Page, url: str, password: str) -> None:
    """Open the link and answer its login page."""
    page.goto(url)
    page.locator("input[name=password]").fill(password)
    page.locator("#login_submit, button[type=submit]").first.click()
    page.wait_for_load_state()


def run_cell(page: Page, cell: Locator) -> None:
    """Run the first cell, as somebody does who sees nothing happen: again, until the kernel has taken it.

    JupyterLab shows the kernel as idle a moment before it hands it cells, and drops what is run in that moment.
    """
    prompt = page.locator(".jp-NotebookPanel .jp-CodeCell .jp-InputPrompt").first
    for _ in range(10):
        cell.click()
        cell.press("Shift+Enter")
        with suppress(AssertionError):
            expect(prompt).not_to_have_text(re.compile(r"^\[\s*\]:$"), timeout=5_000)
            return
    raise AssertionError("the kernel never took the cell")


def write_code(page: Page, code: str) -> Locator:
    """Write into the first cell of a new Python notebook of JupyterLab, and answer the cell; it is not run."""
    page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=120_000)
    page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=120_000)
    cell = page.locator(".jp-NotebookPanel .jp-CodeCell .cm-content").first
    cell.click()
    page.keyboard.insert_text(code)
    expect(cell).to_have_text(code)
    return cell


def run_code(page: Page, code: str) -> None:
    """Run a cell in a new Python notebook of JupyterLab."""
    run_cell(page, write_code(page, code))


def run_plot(page: Page) -> tuple[int, int]:
    """Run a cell that plots in a new Python notebook of JupyterLab; say the size of the picture in pixels."""
    run_code(page, PLOT)
    picture = page.locator(".jp-OutputArea-output img").first
    picture.wait_for(timeout=120_000)
    box = picture.bounding_box()
    assert box is not None
    return round(box["width"]), round(box["height"])
