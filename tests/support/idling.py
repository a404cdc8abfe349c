"""A host on which nobody works, watched in a browser until it stops. Time is scaled down: minutes are seconds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from support import browser
from support.environment import BIN
from support.solo import OPTIONS
from support.user import Api, User

TIMEOUT, WARNING, CONNECTED = 24, 18, 25
SCALED = {
    "idle_stop_timeout": TIMEOUT,
    "idle_stop_warning": WARNING,
    "idle_stop_connected": CONNECTED,
    "idle_stop_interval": 2,
}
NOTICE = "#dstk-idle"

#: What a page of JupyterLab may ask of its server.
ASK = """async ([path, method]) => {
  const token = (document.cookie.match(/_xsrf=([^;]*)/) || [])[1];
  const answer = await fetch(path, {method, headers: {"X-XSRFToken": token}});
  return answer.json();
}"""


@dataclass(frozen=True)
class Idling:
    """What was seen: the busy host, its kernels before and after, the notice, and the seconds until the next one."""

    busy: dict[str, Any]
    kernels: list[str]
    left: list[str]
    notice: str
    put_off: float


def find_idle(user: User) -> dict[str, Any]:
    """What `dstk status` says of the one host."""
    [idle] = user.document("status", *OPTIONS)["idle"]
    return dict(idle)


def find_kernels(page: Page, base: str) -> list[str]:
    """The ids of the kernels, asked for as JupyterLab does."""
    return [kernel["id"] for kernel in page.evaluate(ASK, [f"{base}api/kernels", "GET"])]


@contextmanager
def watch_it_stop(engineer: User, user: User, document: dict[str, Any]) -> Iterator[Idling]:
    """Scale the idle stop down by its role's variables, and look on."""
    [notebook] = document["notebooks"]
    base = notebook["url"].partition("/lab")[0] + "/"
    with browser.page(document["tls"]) as page:
        browser.log_in(page, notebook["url"], notebook["password"])
        page.goto(f"{base}lab?reset")  # without what was open before
        browser.run_code(page, "import time; time.sleep(3600)")
        page.evaluate(ASK, [f"{base}api/kernels", "POST"])
        kernels = find_kernels(page, base)
        page.goto(f"{base}nothing")  # a page without JupyterLab, and the kernel computes on
        engineer.shell(
            *(str(BIN / "ansible-playbook"), "playbooks/configure.yml", "-e", "dstk_deployment=solo"),
            *("-e", "dstk_config=", "-e", json.dumps(SCALED)),
        )
        left, scaled = kernels, time.monotonic()
        # by then a host without a busy kernel would be stopping
        while len(left) > 1 or time.monotonic() < scaled + TIMEOUT + WARNING:
            assert time.monotonic() < scaled + 180, "no kernel was culled"
            time.sleep(1)
            left = find_kernels(page, base)
        busy = find_idle(user)
        for kernel in left:
            page.evaluate(ASK.replace("return answer.json();", ""), [f"{base}api/kernels/{kernel}", "DELETE"])
        page.goto(f"{base}lab?reset")
        bar = page.locator(NOTICE)
        bar.wait_for(timeout=60_000)
        notice, asked = bar.inner_text(), time.monotonic()
        bar.locator("button").click()
        bar.wait_for(state="detached", timeout=10_000)
        bar.wait_for(timeout=60_000)
        yield Idling(busy, kernels, left, notice, time.monotonic() - asked)


def wait_for_stop(api: Api, deployment: str) -> None:
    """Wait until AWS says that the host is stopped."""
    deadline = time.monotonic() + 120
    while [row["State"]["Name"] for row in api.tagged(deployment)["instance"]] != ["stopped"]:
        assert time.monotonic() < deadline, "the host did not stop"
        time.sleep(1)
