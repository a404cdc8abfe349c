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

from playwright.sync_api import Locator, Page, TimeoutError, expect, sync_playwright

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
        environment: dict[str, str | float | bool] = {**os.environ, "HOME": home}
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=FLAGS, env=environment
        )
        try:
            made = browser.new_page(viewport={"width": 1280, "height": 900})
            answer_what_the_machine_is_to_blame_for(made)
            yield made
        finally:
            browser.close()


def answer_what_the_machine_is_to_blame_for(page: Page) -> None:
    """Let whoever looks at the page click away that the server was not reached, and take the kernel offered then.

    A request is lost when this machine gets or loses a network interface (`open_launcher`); JupyterLab says so in a
    dialog that covers everything, and asks for a kernel where it was the start of one that was lost.
    """
    dialog = page.locator(".jp-Dialog", has_text=re.compile("Server Connection Error|Failed to fetch|Select Kernel"))

    def dismiss() -> None:
        # the next comes a moment after the last, and Playwright looks for it before an action alone
        while dialog.count():
            dialog.locator(".jp-Dialog-footerButtons button").last.click()
            page.wait_for_timeout(1000)

    page.add_locator_handler(dialog, dismiss)


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


def open_launcher(page: Page) -> None:
    """Ask for a new notebook as soon as JupyterLab has loaded, and load it again where that stops half way.

    Chromium drops what it is loading when this machine gets or loses a network interface, as it does for each host of a
    sandbox that another test boots meanwhile (net::ERR_NETWORK_CHANGED).
    """
    for _ in range(4):
        with suppress(TimeoutError):
            page.locator(".jp-LauncherCard[data-category=Notebook]").first.click(timeout=60_000)
            return
        page.reload()
    raise AssertionError(f"no launcher at {page.url}: {page.locator('body').inner_text()[:2000]}")


def run_code(page: Page, code: str) -> None:
    """Run a cell in a new Python notebook of JupyterLab."""
    open_launcher(page)
    page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=120_000)
    cell = page.locator(".jp-NotebookPanel .jp-CodeCell .cm-content").first
    cell.click()
    page.keyboard.insert_text(code)
    expect(cell).to_have_text(code)
    run_cell(page, cell)


def run_plot(page: Page) -> tuple[int, int]:
    """Run a cell that plots in a new Python notebook of JupyterLab; say the size of the picture in pixels."""
    run_code(page, PLOT)
    picture = page.locator(".jp-OutputArea-output img").first
    picture.wait_for(timeout=120_000)
    box = picture.bounding_box()
    assert box is not None
    return round(box["width"]), round(box["height"])
