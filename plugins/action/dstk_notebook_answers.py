"""Action: JupyterLab is asked at its public addresses, by the controller, where the user is.

An answer on the host alone would be no use. It runs in Ansible's own process: all addresses of a host at once, with no
module and no round trip of its own.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.urls import open_url
from ansible.plugins.action import ActionBase

ATTEMPT_SECONDS = 5
PAUSE_SECONDS = 0.5
AT_ONCE = 16


def find_answer(url: str) -> bool:
    """Try once, and answer whether it is Jupyter that answers."""
    try:
        with open_url(f"{url}/api", timeout=ATTEMPT_SECONDS) as reply:
            return reply.status == 200 and "version" in json.load(reply)
    except (OSError, ValueError, TypeError, http.client.HTTPException):
        return False


def wait_for_answer(url: str, deadline: float) -> bool:
    """Ask until Jupyter answers or the time is over, at least once."""
    while not find_answer(url):
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


class ActionModule(ActionBase):
    """What Ansible looks for in an action plugin."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask every address; `urls` are by student, `timeout` is in seconds, and `answered` lists students."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        urls: Mapping[str, str] = self._task.args["urls"]
        deadline = time.monotonic() + float(self._task.args.get("timeout", 0))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda url: wait_for_answer(url, deadline), urls.values()))
        result |= {
            "changed": False,
            "answered": [name for name, answered in zip(urls, answers, strict=True) if answered],
        }
        return result
