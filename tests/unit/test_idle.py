"""How people are told why a host is up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from dstk_runner.display import render_deployment
from dstk_runner.outcome import read_idle
from dstk_runner.results import Idle
from support.classes import notebook, seen

SINCE, STOPS = "2026-11-25T20:41:10Z", "2026-11-25T22:41:10Z"


def shown(*idle: Idle) -> str:
    deployment = seen(notebook("ada"), notebook("ben", instance_id="i-2"), notebook("eve", instance_id="i-3"))
    console = Console(width=200)
    with console.capture() as captured:
        console.print(render_deployment(replace(deployment, idle=idle)))
    return " ".join(captured.get().split())


def test_what_a_host_told_is_read_whatever_is_missing() -> None:
    looked = "2026-11-25T20:41:10Z"
    told = {
        "i-2": {"state": "busy", "since": None, "looked_at": looked, "late": True, "why": {"ada": "a kernel is busy"}},
        "i-1": {},
    }
    assert read_idle(told) == (
        Idle(instance_id="i-1", state=""),
        Idle(instance_id="i-2", state="busy", looked_at=looked, late=True, why={"ada": "a kernel is busy"}),
    )


@pytest.mark.parametrize(
    ("state", "why", "words"),
    [
        ("busy", {"ada": "a kernel is busy: a.ipynb"}, "ada: up: a kernel is busy: a.ipynb"),
        (
            "busy",
            {"(host)": "somebody is logged in by SSH", "ada": "nothing runs"},
            "ada: up: somebody is logged in by SSH",
        ),
        (
            "idle",
            {"ada": "nothing runs"},
            "idle since 2026-11-25 20:41 UTC (nothing runs); stops at 2026-11-25 22:41 UTC",
        ),
        ("ending", {"ada": "nothing runs"}, "about to stop, at 2026-11-25 22:41 UTC"),
        ("off", {}, "idle_timeout is 0"),
        ("interrupted", {"(host)": "AWS takes it back"}, "ada: up until 2026-11-25 22:41 UTC: AWS takes it back"),
        ("stopped", {"(host)": "it shut itself down"}, "stopped at 2026-11-25 20:41 UTC: it shut itself down"),
    ],
)
def test_a_host_is_told_with_its_reason(state: str, why: dict[str, str], words: str) -> None:
    assert words in shown(Idle(instance_id="i-1", state=state, since=SINCE, stops_at=STOPS, why=why))


def test_a_host_that_looks_no_more_is_told_as_such_and_not_by_what_it_said_then() -> None:
    late = Idle(instance_id="i-1", state="busy", looked_at="2026-11-25T20:39:10Z", late=True, why={"ada": "x"})
    assert "ada: the idle stop has not looked since 2026-11-25 20:39 UTC Fix: dstk up" in shown(late)
    assert "up: x" not in shown(late)


def test_what_is_alike_is_said_once() -> None:
    alike = [Idle(instance_id=host, state="idle", since=SINCE, stops_at=STOPS, why={}) for host in ("i-2", "i-3")]
    assert shown(*alike).count("stops at") == 1
