"""Jupyter's side of the idle stop, with a Jupyter that is made up: the real one is in the image alone."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from support.environment import ROOT
from support.plugins import load_file

FILE = ROOT / "roles" / "jupyter_container" / "files" / "dstk_idle.py"


class Handler:
    """Of Jupyter's APIHandler, what counts requests."""

    counted: ClassVar[list[str]] = []

    def __init__(self, method: str, path: str) -> None:
        self.request = SimpleNamespace(method=method, path=path)

    def update_api_activity(self) -> None:
        self.counted.append(self.request.method)


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    stubs = {
        "jupyter_server": {},
        "jupyter_server.base": {},
        "jupyter_server.base.handlers": {"APIHandler": type("APIHandler", (Handler,), {"counted": []})},
        "jupyter_server.utils": {"url_path_join": lambda *parts: "/".join(parts)},
        "tornado": {"web": SimpleNamespace(authenticated=lambda method: method)},
        "tornado.ioloop": {"PeriodicCallback": None},
    }
    for name, members in stubs.items():
        module: Any = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    loaded: Any = load_file(FILE, "dstk_idle")
    loaded.NOTICE = tmp_path / "idle.json"
    return loaded


@pytest.mark.parametrize(
    ("notice", "left"),
    [
        ({}, None),
        ({"stops_at": 1090.4}, 90),
        ({"stops_at": 990}, 0),
        ({"stops_at": 600}, None),
        ({"stops_at": "x"}, None),
    ],
    ids=["none", "coming", "due", "forgotten", "nonsense"],
)
def test_a_notice_of_aws_stands_until_the_host_is_back(
    extension: Any, notice: dict[str, Any], left: int | None
) -> None:
    assert extension.find_seconds_until_taken(notice, 1000) == left


@pytest.mark.parametrize(
    ("stops_at", "written", "asked", "left"),
    [(1600, 990, 0, 600), (None, 990, 0, None), (900, 990, 0, None), (1600, 990, 995, None), (1600, 998, 995, 600)],
    ids=["near", "not near", "past", "more time was asked for", "and has run out"],
)
def test_a_notice_stands_until_somebody_asked_for_more_time(
    extension: Any, stops_at: float | None, written: float, asked: float, left: int | None
) -> None:
    assert extension.find_seconds_left({"stops_at": stops_at}, written, asked, 1000) == left


def test_what_jupyterlab_asks_by_itself_is_no_activity(extension: Any) -> None:
    extension.count_deeds_alone()
    for method in ("GET", "POST", "HEAD", "PUT"):
        extension.APIHandler(method, "/ada/api/contents/a.ipynb").update_api_activity()
    extension.APIHandler("PUT", "/ada/lab/api/workspaces/default").update_api_activity()
    assert extension.APIHandler.counted == ["POST", "PUT"]


@pytest.mark.parametrize(("notice", "timeout", "culled"), [({"cull": 60}, 60, 1), ({"cull": 0}, 0, 0), (None, 0, 0)])
def test_kernels_are_culled_as_the_host_says(
    extension: Any, notice: dict[str, int] | None, timeout: int, culled: int
) -> None:
    if notice is not None:
        extension.NOTICE.write_text(json.dumps(notice))
    calls = []

    async def cull_kernels() -> None:
        calls.append(1)

    manager = SimpleNamespace(cull_idle_timeout=99, cull_kernels=cull_kernels)
    asyncio.run(extension.cull(manager))
    assert (manager.cull_idle_timeout, len(calls)) == (timeout, culled)
