"""Action: JupyterLab is asked at its public addresses, by the controller, where the user is.

An answer on the host alone would be no use. It runs in Ansible's own process: all notebooks of a host at once, with no
module and no round trip of its own. The host's address is asked by the notebook's name, which its network may not know
yet, and certificates are verified as a browser that trusts the deployment's authorities does.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.plugins.action import ActionBase

ATTEMPT_SECONDS = 5
PAUSE_SECONDS = 0.5
AT_ONCE = 16


def make_context(authorities: str) -> ssl.SSLContext:
    """Answer how certificates are verified: by what this machine trusts, and a file of authorities, where it is."""
    context = ssl.create_default_context()
    if authorities and Path(authorities).expanduser().is_file():
        context.load_verify_locations(Path(authorities).expanduser())
    return context


def find_trouble(url: str, address: str, context: ssl.SSLContext) -> str:
    """Try once, and answer why it is not Jupyter that answers; empty where it is."""
    parts = urlsplit(url)
    name, port = str(parts.hostname), parts.port or 443
    connection = http.client.HTTPSConnection(name, port, timeout=ATTEMPT_SECONDS, context=context)
    try:
        plain = socket.create_connection((address, port), ATTEMPT_SECONDS)
        try:
            connection.sock = context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise
        connection.request("GET", f"{parts.path}/api")
        reply = connection.getresponse()
        return "" if reply.status == 200 and "version" in json.load(reply) else f"it answers {reply.status}"
    except (OSError, ValueError, TypeError, http.client.HTTPException) as error:
        known = (getattr(error, name, "") for name in ("verify_message", "strerror"))
        return next(filter(None, known), "") or str(error) or type(error).__name__
    finally:
        connection.close()


def wait_for_answer(url: str, address: str, context: ssl.SSLContext, deadline: float) -> str:
    """Ask until Jupyter answers or the time is over, at least once; answer the last trouble."""
    while trouble := find_trouble(url, address, context):
        if time.monotonic() >= deadline:
            return trouble
        time.sleep(PAUSE_SECONDS)
    return ""


class ActionModule(ActionBase):
    """What Ansible looks for in an action plugin."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask at every URL; see the module of this name for the arguments."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        urls: Mapping[str, str] = self._task.args["urls"]
        address = str(self._task.args["address"])
        context = make_context(self._task.args.get("authorities", ""))
        deadline = time.monotonic() + float(self._task.args.get("timeout", 0))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = pool.map(lambda url: wait_for_answer(url, address, context, deadline), urls.values())
            troubles = dict(zip(urls, asked, strict=True))
        result |= {
            "changed": False,
            "answered": [name for name, trouble in troubles.items() if not trouble],
            "troubles": {name: trouble for name, trouble in troubles.items() if trouble},
        }
        return result
