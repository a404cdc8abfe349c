"""Jupyter's side of the host's end: who looks at JupyterLab is told of it, and may ask for more time if nobody works.

The host writes files beside this one, which the notebook can only read: in `idle.json` when it stops because nobody
works, where that is near, and after how many seconds an idle kernel is culled; in `spot.json` when AWS takes it back.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from tornado.ioloop import PeriodicCallback

NOTICE = Path(__file__).with_name("idle.json")
TAKEN = Path(__file__).with_name("spot.json")
FORGOTTEN_SECONDS = 300
"""After its time, when a notice that the host did not take away counts for nothing: a host is back by then."""
LOOK_SECONDS = 20
"""Between two looks for kernels to cull."""


def read_notice(path: Path) -> tuple[dict[str, Any], float]:
    """Answer what the host says, and when it said so; nothing where it says nothing."""
    try:
        return json.loads(path.read_text(encoding="utf-8")), path.stat().st_mtime
    except (OSError, ValueError):
        return {}, 0.0


def find_seconds_left(notice: dict[str, Any], written: float, asked: float, now: float) -> int | None:
    """Answer the seconds until the host stops, None where that is not near.

    Args:
        notice: what the host says.
        written: when it said so. What it said before somebody asked for more time is out of date.
        asked: when that was.
        now: the time, all of them in seconds since 1970.
    """
    stops_at = notice.get("stops_at")
    if not isinstance(stops_at, (int, float)) or stops_at <= now or written <= asked:
        return None
    return round(stops_at - now)


def find_seconds_until_taken(notice: dict[str, Any], now: float) -> int | None:
    """Answer the seconds until the notebook is stopped because AWS takes the host, None where it does not."""
    stops_at = notice.get("stops_at")
    if not isinstance(stops_at, (int, float)) or stops_at + FORGOTTEN_SECONDS < now:
        return None
    return max(0, round(stops_at - now))


class IdleHandler(APIHandler):
    """Answers when the host stops, and takes the wish that it does not."""

    @web.authenticated
    def get(self) -> None:
        """Say how long the host runs on."""
        notice, written = read_notice(NOTICE)
        left = find_seconds_left(notice, written, self.settings.get("dstk_idle_asked", 0.0), time.time())
        taken = find_seconds_until_taken(read_notice(TAKEN)[0], time.time())
        self.finish(json.dumps({"seconds_left": left, "taken_in": taken}))

    @web.authenticated
    def post(self) -> None:
        """Take this for activity, as each request is that does more than look."""
        self.settings["dstk_idle_asked"] = time.time()
        self.finish("{}")


def count_deeds_alone() -> None:
    """Let requests that nobody made be no activity.

    A JupyterLab that is open asks for kernels every ten seconds, and then saves how its windows stand.
    """
    update = APIHandler.update_api_activity

    def update_for_deeds(handler: APIHandler) -> None:
        looks = handler.request.method in ("GET", "HEAD", "OPTIONS")
        if not looks and "/api/workspaces/" not in handler.request.path:
            update(handler)

    APIHandler.update_api_activity = update_for_deeds


async def cull(manager: Any) -> None:
    """Cull idle kernels to which nobody is connected. Busy ones stay: Jupyter's defaults say so.

    Jupyter calls a kernel idle in which a thread computes. The host sees the thread, and says 0, which is never.
    """
    seconds = read_notice(NOTICE)[0].get("cull", 0)
    manager.cull_idle_timeout = seconds if isinstance(seconds, int) else 0
    if manager.cull_idle_timeout > 0:
        await manager.cull_kernels()


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "dstk_idle"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Add the handler to the server. The timeout is the host's to change, without a restart that would end kernels."""
    address = url_path_join(server.web_app.settings["base_url"], "dstk", "idle")
    server.web_app.add_handlers(".*$", [(address, IdleHandler)])
    count_deeds_alone()
    manager = server.kernel_manager
    PeriodicCallback(lambda: cull(manager), LOOK_SECONDS * 1000).start()
