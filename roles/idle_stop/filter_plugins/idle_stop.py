"""What is told of the idle stop: by a host that runs, and by EC2 of one that is stopped."""

from __future__ import annotations

import calendar
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

LATE_LOOKS = 5
"""So many looks may be missing before a host is said not to look any more; one takes a minute at worst, mostly none."""

_REASONS = {
    "Server.SpotInstanceShutdown": (
        "AWS took this spot instance back, and starts it again when it has room; the homes are safe, and `dstk up` "
        "puts a new host in its place before that"
    ),
    "Client.UserInitiatedShutdown": "AWS was asked to stop it: by `dstk stop`, its schedule, its end or somebody else",
    "Client.InstanceInitiatedShutdown": (
        "it shut itself down, as it does when nobody works on it, and two hours after its launch where nobody set "
        "it up; `/var/log/dstk/idle.log` on it tells more"
    ),
}


def idle_stop_known(code: str, transition: str) -> dict[str, Any]:
    """Answer of a stopped host what a running one says of itself.

    EC2 knows that a host shut itself down and not why: a poweroff that somebody typed looks the same.

    Args:
        code: the instance's StateReason.Code.
        transition: its StateTransitionReason, such as ``User initiated (2026-11-25 22:10:11 GMT)``, often empty.
    """
    moment = re.search(r"\((\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) GMT\)", transition)
    return {
        "state": "stopped",
        "since": f"{moment[1]}T{moment[2]}Z" if moment else "",
        "stops_at": "",
        "why": {"(host)": _REASONS.get(code, f"AWS says {code}")},
    }


def idle_stop_told(told: Mapping[str, Any], interval: int, now: float | None = None) -> dict[str, Any]:
    """Answer what a host told, with ``late`` added: whether it has stopped looking, so that the rest is of then.

    Args:
        told: what its idle stop wrote. One of before wrote no time, and is not late.
        interval: seconds between two looks.
        now: seconds since 1970; by default this machine's clock, which must be right to a few minutes.
    """
    looked_at = str(told.get("looked_at") or "")
    if not looked_at:
        return {**told, "late": False}
    looked = calendar.timegm(time.strptime(looked_at, "%Y-%m-%dT%H:%M:%SZ"))
    return {**told, "late": (time.time() if now is None else now) - looked > LATE_LOOKS * interval}


class FilterModule:
    """What Ansible looks for in a filter plugin."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by the names they have in templates."""
        return {"idle_stop_known": idle_stop_known, "idle_stop_told": idle_stop_told}
