"""A notebook that somebody has open, with work that is not saved, when AWS takes its host back."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from support import browser

#: The notice of JupyterLab: by the host's service every 5 seconds and the page every 10, and a saved document.
NOTICE = "#dstk-idle"
SEEN_SECONDS = 40


def open_unsaved(page: Page, text: str) -> None:
    """Write into a cell of a new notebook (Untitled.ipynb), and neither run nor save it."""
    browser.write_code(page, text)
    # the sign of a document with changes; JupyterLab by itself saves it after two minutes
    page.locator(".lm-TabBar-tab.jp-mod-dirty").first.wait_for(timeout=10_000)


def wait_for_saving(page: Page) -> str:
    """Wait until JupyterLab says that all is saved because AWS takes the host, and answer its words."""
    notice = page.locator(NOTICE)
    expect(notice).to_contain_text(re.compile("All work is saved"), timeout=SEEN_SECONDS * 1000)
    return notice.inner_text()
